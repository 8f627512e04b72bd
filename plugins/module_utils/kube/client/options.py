# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What connection options mean: which cluster, and whose credentials. Pure: mappings in, values out.

A credential is only ever sent to the cluster that it was given for. Whoever names a cluster in a task is not led to another one by
``K8S_AUTH_*`` variables, and their credentials do not go to the cluster that the task names, unless they name the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from ...core.errors import MeshlbError

CLUSTER = ("host", "kubeconfig", "context")
CREDENTIALS = ("api_key", "username", "password", "client_cert", "client_key")
VARIABLES: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in (*CLUSTER, "api_key", "username", "password", "proxy", "no_proxy", "persist_config")},
    "validate_certs": ("validate_certs", "verify_ssl"), "ca_cert": ("ca_cert", "ssl_ca_cert"),
    "client_cert": ("client_cert", "cert_file"), "client_key": ("client_key", "key_file"),
    "impersonate_user": ("impersonate_user",), "impersonate_groups": ("impersonate_groups",),
}
"""The options of a connection, each with the endings of the ``K8S_AUTH_*`` variables that stand for it."""
_PROXY_HEADERS = ("proxy_basic_auth", "basic_auth", "user_agent")
_ADDRESS = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)?(.*)@([^@]*)$", re.DOTALL)
_LOOPBACK = re.compile(r"127(\.[0-9]{1,3}){3}")
_PORTS = {"https": 443, "http": 80}


def with_values(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that have a value. What is left empty, as an inventory does it, was not given; ``False`` is a value."""
    return {name: value for name, value in options.items() if value not in (None, "", [], {})}


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """The options that ``K8S_AUTH_*`` variables give, as kubernetes.core reads them."""
    found: dict[str, Any] = {}
    for option, endings in VARIABLES.items():
        words = (environment.get(f"K8S_AUTH_{ending.upper()}") for ending in endings)
        word = next((item for item in words if item), None)
        if word is not None:
            found[option] = _typed(option, word)
    headers = {name: environment[key] for name in _PROXY_HEADERS if (key := f"K8S_AUTH_PROXY_HEADERS_{name.upper()}") in environment}
    return {**found, **({"proxy_headers": headers} if headers else {})}


def _typed(option: str, word: str) -> Any:
    if option in ("validate_certs", "persist_config"):
        return word.lower() not in ("0", "false", "no")
    return [item for item in word.split(",") if item] if option == "impersonate_groups" else word


def effective(options: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """The options that hold: a task's, and those of the environment that belong to the same cluster."""
    own, ambient = with_values(options), from_environment(environment)
    if names_cluster(own):
        ignored = {*CLUSTER, *CREDENTIALS}
        if "host" in own and not _names_another(ambient, own["host"]):
            ignored -= {*CREDENTIALS}
        if "context" in own and not {"host", "kubeconfig"} & own.keys():
            # A context is one of a kubeconfig, wherever that is named.
            ignored -= {"kubeconfig"}
        ambient = {name: value for name, value in ambient.items() if name not in ignored}
    return {**ambient, **own}


def _names_another(ambient: Mapping[str, Any], host: Any) -> bool:
    if "kubeconfig" in ambient or "context" in ambient:
        return True
    return "host" in ambient and not same_server(str(ambient["host"]), str(host))


def names_cluster(options: Mapping[str, Any]) -> bool:
    """Whether the options say themselves which cluster is meant."""
    return any(name in options for name in CLUSTER)


def has_credentials(options: Mapping[str, Any]) -> bool:
    """Whether the options say themselves who asks."""
    return any(name in options for name in CREDENTIALS)


def demand_whole_credentials(options: Mapping[str, Any]) -> None:
    """Raise :class:`MeshlbError` for half of a pair."""
    for one, other in (("username", "password"), ("password", "username"), ("client_key", "client_cert")):
        if one in options and other not in options:
            raise MeshlbError(f"{one} is given without {other}, so nobody can log in with it.", f"Give {other} too, or leave {one} out.")


def without_userinfo(address: str) -> str:
    """An address without the user name and password that may stand in it."""
    found = _ADDRESS.match(address)
    return f"{found[1] or ''}{found[3]}" if found else address


def userinfo(address: str) -> tuple[str, str]:
    """User name and password that stand in an address, empty where there are none."""
    found = _ADDRESS.match(address)
    user, dummy, password = found[2].partition(":") if found else ("", "", "")
    return unquote(user), unquote(password)


def secrets_in(address: str) -> set[str]:
    """What must not be shown of an address: its password, in each of its spellings."""
    found = _ADDRESS.match(address)
    written = found[2].partition(":")[2] if found else ""
    return {item for item in (written, unquote(written)) if item}


def is_here(server: str) -> bool:
    """Whether an address is one of this machine's own, as that of kubectl proxy."""
    host = urlsplit(server if "://" in server else f"//{server}").hostname or ""
    return host in ("localhost", "::1") or _LOOPBACK.fullmatch(host) is not None


def same_server(one: str, other: str) -> bool:
    """Whether two addresses lead to the same API server."""
    return _parts(one) == _parts(other)


def _parts(address: str) -> tuple[Any, ...]:
    try:
        parts = urlsplit(without_userinfo(address.strip()))
        scheme = parts.scheme.lower()
        return scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(scheme), parts.path.rstrip("/")
    except ValueError:
        return (address,)
