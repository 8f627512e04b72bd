# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik's static configuration: what an instance was started with, wherever that is written.

Source: traefik/traefik pkg/cli/loader_file.go and cmd/traefik/traefik.go: the file, else the arguments, else the environment;
the first of them that holds anything is the only one that counts. Option names ignore case.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...kube import kinds
from ...kube.objects import Obj, dig, namespace_of, pod_template
from ...kube.snapshot import Snapshot

PROVIDERS = "providers."
INGRESS, CRD, GATEWAY, NGINX = (
    f"{PROVIDERS}{name}" for name in ("kubernetesingress", "kubernetescrd", "kubernetesgateway", "kubernetesingressnginx")
)
UNREADABLE = "static_unreadable"
"""Key under which the reason stands why the configuration file could not be read."""

_DEFAULT_FILES = tuple(f"/etc/traefik/traefik.{ending}" for ending in ("toml", "yaml", "yml"))
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})


def static_options(snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, str]:
    """The provider options of an instance, by lower-case name; an option that is only switched on has the value ``true``."""
    found = _from_file(snapshot, workload, container)
    if found is None:
        found = dict(_from_arguments(container)) if _options(container) else dict(_from_environment(container))
    options = {key: value for key, value in found.items() if key.startswith((PROVIDERS, UNREADABLE))}
    if not any(key.startswith(f"{PROVIDERS}kubernetes") for key in options):
        # Nothing is said of a provider (the file is in the image, say): the two that nearly everybody runs.
        options.update({INGRESS: "true", CRD: "true"})
    return options


def told(container: Obj) -> str:
    """The first option or variable of a container that only Traefik has, empty where there is none."""
    for name, _value in (*_from_arguments(container), *_from_environment(container)):
        if name.partition("=")[0].split(".")[:2] in [item.split(".") for item in (INGRESS, CRD, GATEWAY, NGINX)]:
            return name
    return ""


def is_on(options: dict[str, str], provider: str) -> bool:
    """Whether a provider is enabled: by itself or by any of its options."""
    if provider in options:
        return options[provider] in _TRUE
    return any(key.startswith(f"{provider}.") for key in options)


def is_true(text: str | None) -> bool:
    return text in _TRUE


def mounts_config_map(workload: Obj) -> bool:
    """Whether a configuration file could come from a ConfigMap."""
    return any(_config_maps(item) for item in dig(pod_template(workload), "spec", "volumes", default=[]))


def _options(container: Obj) -> list[str]:
    words = [str(word) for word in [*(container.get("command") or []), *(container.get("args") or [])]]
    first = next((number for number, word in enumerate(words) if word.startswith("-")), len(words))
    return words[first:]


def _from_arguments(container: Obj) -> Iterator[tuple[str, str]]:
    words = _options(container)
    for number, word in enumerate(words):
        if not word.startswith("-"):
            continue
        name, given, value = word.lstrip("-").partition("=")
        following = words[number + 1] if number + 1 < len(words) else "-"
        yield name.lower(), value if given else "true" if following.startswith("-") else following


def _from_environment(container: Obj) -> Iterator[tuple[str, str]]:
    for item in container.get("env") or []:
        name = str(item.get("name", ""))
        if name.startswith("TRAEFIK_") and "value" in item:
            yield name[len("TRAEFIK_") :].lower().replace("_", "."), str(item["value"])


def _from_file(snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, str] | None:
    """Options of the configuration file, ``None`` where there is none."""
    named = dict(_from_arguments(container)).get("configfile", "")
    for path in (named,) if named else _DEFAULT_FILES:
        place = _mounted_from(workload, container, path)
        text = _text(snapshot, namespace_of(workload), place) if place else None
        if text is not None:
            return _parsed(path, text)
        if named:
            return {UNREADABLE: f"its configuration file {path} is in no ConfigMap that could be read"}
    return None


def _text(snapshot: Snapshot, namespace: str, place: tuple[str, str]) -> str | None:
    found = dig(snapshot.get(kinds.CONFIG_MAP, namespace, place[0]), "data", place[1])
    return None if found is None else str(found)


def _mounted_from(workload: Obj, container: Obj, path: str) -> tuple[str, str] | None:
    """``(ConfigMap, key)`` of a file in a container."""
    volumes = {str(item.get("name")): item for item in dig(pod_template(workload), "spec", "volumes", default=[])}
    for mount in container.get("volumeMounts") or []:
        where, part = str(mount.get("mountPath", "")).rstrip("/"), str(mount.get("subPath", ""))
        if part and path == where:
            inside = part
        elif not part and path.startswith(f"{where}/"):
            inside = path[len(where) + 1 :]
        else:
            continue
        for source in _config_maps(volumes.get(str(mount.get("name")), {})):
            items = {str(item.get("path")): str(item.get("key")) for item in source.get("items") or []}
            return str(source.get("name", "")), items.get(inside, inside)
    return None


def _config_maps(volume: Obj) -> list[Obj]:
    sources = [volume, *dig(volume, "projected", "sources", default=[])]
    return [item["configMap"] for item in sources if item.get("configMap")]


def _parsed(path: str, text: str) -> dict[str, str]:
    try:
        loaded = _toml(text) if path.endswith(".toml") else _yaml(text)
    except (ImportError, ValueError) as error:
        return {UNREADABLE: f"its configuration file {path} cannot be read: {error}"}
    return dict(_flat(loaded, ""))


def _yaml(text: str) -> Any:
    # Imported here: hosts that only ever import this file (documentation builds, sanity checks) need no PyYAML.
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from error


def _toml(text: str) -> Any:
    # Python has it since 3.11.
    import tomllib

    return tomllib.loads(text)


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every value below a map by its dotted name; an empty map is an option that is switched on."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}".lower().lstrip("."))
    elif path:
        yield path, _written(value)


def _written(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    if value is None or value == {}:
        return "true"
    return str(value).lower() if isinstance(value, bool) else str(value)
