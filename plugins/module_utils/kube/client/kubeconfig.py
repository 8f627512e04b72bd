# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubeconfigs: which context holds, with its cluster and user. Errors name a file and a field, and never quote it.

Of several files the first that says something holds, as for kubectl and Helm.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...core.errors import MeshlbError
from .options import userinfo, without_userinfo

Section = dict[str, Any]
DEFAULT = "~/.kube/config"
_CREDENTIALS = ("auth-provider", "exec", "token", "tokenFile", "username")
_CERTIFICATES = ("client-certificate", "client-certificate-data")
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
HINT = "Name a kubeconfig (and context) that exists, or host with api_key or client_cert and client_key."


@dataclass(frozen=True)
class KubeContext:
    """One context: ``cluster`` and ``user`` are its sections, with absolute paths; ``folder`` is that of the user's file."""

    where: str
    context: str
    cluster: Section
    user: Section
    user_name: str = ""
    folder: str = ""
    files: str = ""

    @property
    def server(self) -> str:
        return str(self.cluster.get("server") or "")

    @property
    def login(self) -> Section:
        """The program that gives the user's credentials, empty where there is none, or something else goes before it."""
        if any(self.user.get(name) for name in ("auth-provider", "token", "tokenFile")):
            return {}
        return dict(self.user.get("exec") or {})

    @staticmethod
    def asks_as_somebody(user: Section, with_certificate: bool = True) -> bool:
        """Whether a user has anything to log in with, so that requests without credentials are not what is meant."""
        return any(user.get(name) for name in (*_CREDENTIALS, *(_CERTIFICATES if with_certificate else ())))

    def to_kubeconfig(self, user: Section) -> Section:
        """A kubeconfig of this context alone, for a user with these credentials."""
        name, password = userinfo(self.server)
        if user is self.user and name and password and not self.asks_as_somebody(user):
            user = {"username": name, "password": password}
        return {
            "apiVersion": "v1", "kind": "Config", "current-context": self.context,
            "contexts": [{"name": self.context, "context": {"cluster": "it", "user": "me"}}],
            "clusters": [{"name": "it", "cluster": {**self.cluster, "server": without_userinfo(self.server)}}],
            "users": [{"name": "me", "user": user}],
        }


@dataclass(frozen=True)
class Kubeconfig:
    """One kubeconfig: what it is called in errors, the folder that its paths start from, and its content."""

    where: str
    folder: str
    content: Section
    path: str = ""


def sources(kubeconfig: Any, environment: Mapping[str, str]) -> list[Kubeconfig]:
    """The kubeconfigs that an option names (a path, or the content), or that kubectl would read. Raises :class:`MeshlbError`."""
    if isinstance(kubeconfig, Mapping):
        return [Kubeconfig("the kubeconfig in the options", "", dict(kubeconfig))]
    named = str(kubeconfig or environment.get("KUBECONFIG") or DEFAULT)
    paths = [os.path.expanduser(item) for item in named.split(os.pathsep) if item]
    found = [_read(path) for path in paths if os.path.exists(path)]
    if not found:
        raise MeshlbError(f"The connection options do not lead to a cluster (kubeconfig {named}): there is no such file.", HINT)
    return found


def _read(path: str) -> Kubeconfig:
    # Imported here: hosts that only ever import this file (documentation builds, sanity checks) need no PyYAML.
    import yaml

    where = f"kubeconfig {path}"
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        # Its words may quote the file, which holds credentials.
        why = error.strerror if isinstance(error, OSError) else "it is no YAML"
        raise MeshlbError(f"{where} cannot be read: {why}.", HINT) from None
    return Kubeconfig(where, str(Path(path).resolve().parent), _section(content, where, "its content"), path)


def chosen(found: Sequence[Kubeconfig], context: str = "") -> KubeContext:
    """The context of that name, or the current one. Raises :class:`MeshlbError`."""
    places = " and ".join(item.where for item in found)
    current = (str(item.content.get("current-context") or "") for item in found)
    name = context or next(filter(None, current), "")
    if not name:
        raise MeshlbError(f"{places} has no current context.", "Name one with context.")
    entry = _named(found, "contexts", "context", name)
    if entry is None:
        raise MeshlbError(f"{places} has no context {name}.", "Name one that it has with context.")
    settings = entry[1]
    cluster_name, user_name = str(settings.get("cluster") or ""), str(settings.get("user") or "")
    cluster = _named(found, "clusters", "cluster", cluster_name)
    if cluster is None or not cluster[1].get("server"):
        raise MeshlbError(f"{places}: context {name} has cluster {cluster_name!r}, for which there is no server.", HINT)
    user = _named(found, "users", "user", user_name) if user_name else None
    if user_name and user is None:
        raise MeshlbError(f"{places}: context {name} has user {user_name!r}, whom it does not know.", HINT)
    own = user[1] if user else {}
    _demand_known(own, places, user_name)
    folder = user[0].folder if user else ""
    files = os.pathsep.join(item.path for item in found)
    return KubeContext(places, name, _absolute(cluster[1], cluster[0].folder), _absolute(own, folder), user_name, folder, files)


def _named(found: Sequence[Kubeconfig], section: str, key: str, name: str) -> tuple[Kubeconfig, Section] | None:
    for source in found:
        entries = source.content.get(section) or []
        if not isinstance(entries, list):
            raise MeshlbError(f"{source.where}: {section} is no list.", HINT)
        for item in entries:
            entry = _section(item, source.where, section)
            if str(entry.get("name")) == name:
                return source, _section(entry.get(key) or {}, source.where, f"{section}, {name}")
    return None


def _section(found: Any, where: str, what: str) -> Section:
    if not isinstance(found, Mapping):
        raise MeshlbError(f"{where}: {what} is no map.", HINT)
    return dict(found)


def _demand_known(user: Section, where: str, name: str) -> None:
    """A user who has a way to log in that is not known is nobody else instead."""
    for key in ("exec", "auth-provider"):
        if key in user and not isinstance(user[key], dict):
            raise MeshlbError(f"{where}: {key} of user {name} is no map.", HINT)
    if "cmd-path" in (user.get("auth-provider") or {}).get("config", {}):
        raise MeshlbError(f"{where}: user {name} logs in by a program in auth-provider (cmd-path), which is not run.", "Use exec instead.")


def _absolute(section: Section, folder: str) -> Section:
    paths = {key: os.path.join(folder, str(section[key])) for key in _FILES if section.get(key)}
    return {**section, **paths}


def impersonation(found: KubeContext) -> dict[str, Any]:
    """The headers for ``as``, ``as-uid``, ``as-groups`` and ``as-user-extra``. Raises :class:`MeshlbError` for what cannot be meant."""
    user = found.user
    wanted: dict[str, Any] = {}
    for key, header in (("as", "Impersonate-User"), ("as-uid", "Impersonate-Uid")):
        if user.get(key) not in (None, ""):
            wanted[header] = _word(found, key, user[key])
    if user.get("as-groups"):
        wanted["Impersonate-Group"] = _words(found, "as-groups", user["as-groups"])
    extra = user.get("as-user-extra") or {}
    for key, values in _section(extra, found.where, "as-user-extra").items():
        wanted[f"Impersonate-Extra-{_escaped(_word(found, 'as-user-extra', key))}"] = _words(found, "as-user-extra", values)
    if wanted and "Impersonate-User" not in wanted:
        message = f"{found.where}: user {found.user_name} has {', '.join(wanted)} to impersonate, and no as."
        raise MeshlbError(message, "Add as, or remove them.")
    return wanted


def _words(found: KubeContext, key: str, values: Any) -> list[str]:
    if not isinstance(values, list):
        raise MeshlbError(f"{found.where}: {key} of user {found.user_name} is no list.", HINT)
    return [_word(found, key, value) for value in values]


def _word(found: KubeContext, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or not value:
        raise MeshlbError(f"{found.where}: {key} of user {found.user_name} is no text that a header can hold.", HINT)
    return value


def _escaped(key: str) -> str:
    return quote(key, safe="")
