# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik's static configuration: what an instance was started with, wherever that is written.

Source: traefik/traefik pkg/cli/loader_file.go and cmd/traefik/traefik.go: the file, else the arguments, else the environment;
the first of them that holds anything is the only one that counts. Option names ignore case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...kube import kinds
from ...kube.objects import Obj, dig, labels_of, name_of, namespace_of, pod_template
from ...kube.reading import misread_map
from ...kube.selectors import vendor_selector
from ...kube.shapes import DEEPEST, UNREADABLE, described
from ...kube.snapshot import Unreadable
from ...kube.yaml_text import LONGEST_MAP, yaml_map
from ..contract.instances import Neighbours
from ..kit.annotations import GO_TRUE, go_bool
from ..kit.classes import ClassRule, ClassSource, controller_of
from ..kit.recognition import words_of
from ..kit.scope import Scope, named_scope, selected_scope
from ..kit.settings import config_maps_of

CONTROLLER, NGINX_CONTROLLER = "traefik.io/ingress-controller", "k8s.io/ingress-nginx"
_PROVIDERS = "providers."
_INGRESS, _CRD, _GATEWAY, _NGINX = (
    f"{_PROVIDERS}{name}" for name in ("kubernetesingress", "kubernetescrd", "kubernetesgateway", "kubernetesingressnginx")
)
_FILE = f"{_PROVIDERS}file"
_WORDS = re.compile(r"[\w\"'\- \t]*")
_DEFAULT_FILES = tuple(f"/etc/traefik/traefik.{ending}" for ending in ("toml", "yaml", "yml"))

ReadConfigMap = Callable[[str, str], "str | None"]
"""The text of a ConfigMap's key."""


@dataclass(frozen=True)
class Provider:
    """One of Traefik's readers of Kubernetes objects, which are its if all ``scopes`` cover them. ``native``: to Services' addresses."""

    on: bool = False
    native: bool = False
    classes: ClassRule = ClassRule(frozenset())
    scopes: tuple[Scope, ...] = ()
    label_selector: str = ""

    def serves(self, obj: Obj) -> bool:
        """Whether it serves an object: by namespace, label and class."""
        covered = self.on and all(scope.covers(namespace_of(obj)) for scope in self.scopes)
        return covered and vendor_selector(self.label_selector).matches(labels_of(obj)) and self.classes.takes(obj)


@dataclass(frozen=True)
class EntryPoint:
    """A port that it listens on; ``tls``: its HTTP routers end TLS by themselves."""

    port: int
    tls: bool = False


@dataclass(frozen=True)
class Settings:
    """Four providers, what is particular to one of them, and ports; none are known where none was told.

    ``unreadable`` says why the configuration file could not be read. ``dynamic`` are keys of ConfigMaps that are files of the file
    provider, each with its ConfigMap, and ``files`` says what it was told of files. ``syntax`` is that of rules, where one is set for
    all. In ingress-nginx's place: ``snippets`` are allowed, ``strict_paths`` are asked for, ``default_backend`` (``namespace/name``)
    and ``error_codes`` hold for all.
    """

    ingress: Provider = Provider()
    crd: Provider = Provider()
    gateway: Provider = Provider()
    nginx: Provider = Provider()
    dynamic: tuple[tuple[str, str], ...] = ()
    syntax: str = ""
    snippets: bool = False
    strict_paths: bool = True
    default_backend: str = ""
    error_codes: str = ""
    strict_prefixes: bool = False
    cross_namespace: bool = False
    experimental_channel: bool = False
    unreadable: str = ""
    files: str = ""
    entry_points: tuple[EntryPoint, ...] = ()

    def replaces_nginx(self, ingress: Obj) -> bool:
        """Whether it serves an Ingress in ingress-nginx's place."""
        return self.nginx.serves(ingress) and not self.ingress.serves(ingress)


class _UnreadableFile(Exception):
    """The configuration file cannot be read. ``place`` is the ConfigMap and key that it is in, if it is in one."""

    def __init__(self, message: str, place: tuple[str, str] | None = None) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True)
class _Options:
    """The provider options of an instance, by lower-case name; an option that is only switched on has the value ``true``."""

    values: Mapping[str, str]

    def text(self, provider: str, name: str, default: str = "") -> str:
        return self.values.get(f"{provider}.{name}", default)

    def flag(self, provider: str, name: str) -> bool:
        return go_bool(self.text(provider, name))

    def is_on(self, provider: str) -> bool:
        """Whether a provider is enabled: by itself or by any of its options."""
        if provider in self.values:
            return self.values[provider] in GO_TRUE
        return any(key.startswith(f"{provider}.") for key in self.values)


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """What an instance was started with, and the classes of the cluster that it serves."""
    try:
        written, unreadable = _from_file(workload, container, _config_maps_beside(workload, near)), ""
    except _UnreadableFile as error:
        written, unreadable = {}, str(error)
    values = dict(_from_arguments(container)) or dict(_from_environment(container)) if written is None else written
    if not any(key.startswith(_PROVIDERS) for key in values):
        # Nothing is said of a provider (the file is in the image, say): the two that nearly everybody runs.
        values.update({_INGRESS: "true", _CRD: "true"})
    options = _Options(values)
    controllers = {name_of(item): controller_of(item) for item in near.ingress_classes}
    nginx_scopes = (
        Scope(frozenset(filter(None, [options.text(_NGINX, "watchnamespace")]))),
        selected_scope(near.namespaces, None, options.text(_NGINX, "watchnamespaceselector")),
    )
    files = values.get(f"{_FILE}.filename", "") or values.get(f"{_FILE}.directory", "")
    return Settings(
        _provider(options, _INGRESS, frozenset(_ingress_classes(options, controllers))),
        _provider(options, _CRD, frozenset({options.text(_CRD, "ingressclass") or "traefik"})),
        _provider(options, _GATEWAY, frozenset()),
        Provider(options.is_on(_NGINX), False, _nginx_rule(options, controllers), nginx_scopes),
        tuple(_dynamic_files(workload, container, near, files)), values.get("core.defaultrulesyntax", "").lower(),
        options.flag(_NGINX, "allowsnippetannotations"), go_bool(options.text(_NGINX, "strictvalidatepathtype", "true")),
        options.text(_NGINX, "defaultbackendservice"), options.text(_NGINX, "customhttperrors"),
        options.flag(_INGRESS, "strictprefixmatching"), options.flag(_CRD, "allowcrossnamespace"),
        options.flag(_GATEWAY, "experimentalchannel"), unreadable, files, tuple(_entry_points(values)),
    )


def _dynamic_files(workload: Obj, container: Obj, near: Neighbours, path: str) -> Iterator[tuple[str, str]]:
    """``(ConfigMap, key)`` of each file that the file provider reads: one, or all below a folder."""
    place = _mounted_from(workload, container, path) if path else None
    if place and dig(near.named(kinds.CONFIG_MAP, namespace_of(workload), place[0]), "data", place[1]) is not None:
        yield place
        return
    folder = _mounted_from(workload, container, f"{path.rstrip('/')}/*") if path else None
    held = near.named(kinds.CONFIG_MAP, namespace_of(workload), folder[0]) if folder else None
    yield from ((name_of(held or {}), key) for key in dig(held, "data", default={}) if key.endswith((".yaml", ".yml", ".toml")))


def _entry_points(values: Mapping[str, str]) -> Iterator[EntryPoint]:
    """Entry points by their addresses: ``:8443``, ``10.0.0.1:8443/tcp``."""
    for key, text in values.items():
        name, number = key.split(".")[1:2], text.lower().removesuffix("/tcp").rpartition(":")[2]
        if name and key == f"entrypoints.{name[0]}.address" and number.isdigit():
            ends_tls = f"entrypoints.{name[0]}.http.tls"
            yield EntryPoint(int(number), any(f"{item}.".startswith(f"{ends_tls}.") for item in values))


def misread(workload: Obj, container: Obj, near: Neighbours) -> Iterator[Unreadable]:
    """The ConfigMap whose text is no configuration file."""
    try:
        _from_file(workload, container, _config_maps_beside(workload, near))
    except _UnreadableFile as error:
        found = near.named(kinds.CONFIG_MAP, namespace_of(workload), error.place[0]) if error.place else None
        if found is not None:
            yield misread_map(found, [str(error)])


def _config_maps_beside(workload: Obj, near: Neighbours) -> ReadConfigMap:
    def read(name: str, key: str) -> str | None:
        text = dig(near.named(kinds.CONFIG_MAP, namespace_of(workload), name), "data", key)
        return None if text is None else str(text)

    return read


def _provider(options: _Options, name: str, names: frozenset[str]) -> Provider:
    """One of Traefik's own; where it was told no class, objects may have none, or the usual one in their annotation."""
    told = options.text(name, "ingressclass")
    rule = ClassRule(names, frozenset({told} if told else {"", "traefik"}), without_class=not told)
    scopes = (named_scope(options.text(name, "namespaces")),)
    return Provider(options.is_on(name), options.flag(name, "nativelbbydefault"), rule, scopes, options.text(name, "labelselector"))


def _ingress_classes(options: _Options, controllers: Mapping[str, str]) -> Iterator[str]:
    """All with its controller, or the one of them that it is told to serve."""
    if not (options.flag(_INGRESS, "disableingressclasslookup") or options.flag(_INGRESS, "disableclusterscoperesources")):
        told = options.text(_INGRESS, "ingressclass")
        yield from (name for name, controller in controllers.items() if controller == CONTROLLER and told in ("", name))


def _nginx_rule(options: _Options, controllers: Mapping[str, str]) -> ClassRule:
    """The classes that it serves in ingress-nginx's place; where there are none of these, it looks at annotations alone."""
    controller, name = options.text(_NGINX, "controllerclass", NGINX_CONTROLLER), options.text(_NGINX, "ingressclass", "nginx")
    by_name = options.flag(_NGINX, "ingressclassbyname")
    names = frozenset(key for key, value in controllers.items() if value == controller or (by_name and key == name))
    source = ClassSource.FIELD_FIRST if names else ClassSource.ANNOTATION_ONLY
    return ClassRule(names, frozenset({name}), options.flag(_NGINX, "watchingresswithoutclass"), source)


def telling_option(container: Obj) -> str:
    """The first option or variable of a container that only Traefik has, empty where there is none."""
    providers = [item.split(".") for item in (_INGRESS, _CRD, _GATEWAY, _NGINX)]
    names = (name for name, dummy in (*_from_arguments(container), *_from_environment(container)))
    return next((name for name in names if name.partition("=")[0].split(".")[:2] in providers), "")


def mounted_namespaces(workload: Obj, container: Obj) -> set[str]:
    """Its own namespace, where a configuration file could come from a ConfigMap."""
    volumes = dig(pod_template(workload), "spec", "volumes", default=[])
    return {namespace_of(workload)} if any(config_maps_of(item) for item in volumes) else set()


def _from_arguments(container: Obj) -> Iterator[tuple[str, str]]:
    words = words_of(container)
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


def _from_file(workload: Obj, container: Obj, config_map: ReadConfigMap) -> dict[str, str] | None:
    """Options of the configuration file, ``None`` where there is none."""
    named = dict(_from_arguments(container)).get("configfile", "")
    for path in (named,) if named else _DEFAULT_FILES:
        place = _mounted_from(workload, container, path)
        text = config_map(*place) if place else None
        if place and text is not None:
            return _parsed(path, place, text)
        if named:
            raise _UnreadableFile(f"its configuration file {path} is in no ConfigMap that could be read")
    return None


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
        for source in config_maps_of(volumes.get(str(mount.get("name")), {})):
            items = {str(item.get("path")): str(item.get("key")) for item in source.get("items") or []}
            return str(source.get("name", "")), items.get(inside, inside)
    return None


def file_content(path: str, text: str) -> Any:
    """A configuration file as a map. Raises :class:`ValueError` and others where it is none."""
    return _toml(text) if path.endswith(".toml") else yaml_map(text)


def _parsed(path: str, place: tuple[str, str], text: str) -> dict[str, str]:
    try:
        return dict(_flat(file_content(path, text), ""))
    except (ImportError, ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _UnreadableFile(f"data.{place[1]}, which is its configuration file {path}, cannot be read: {why}", place) from error


def _toml(text: str) -> Any:
    # Python has it since 3.11.
    import tomllib

    if len(text) > LONGEST_MAP:
        raise ValueError(f"it has more than {LONGEST_MAP // 1024} Ki characters")
    words = 0
    for part in text.split("."):
        # The parser takes the square of the length for one key of very many words.
        words = words + 1 if _WORDS.fullmatch(part) else 0
        if words > DEEPEST:
            raise ValueError(f"a key has more than {DEEPEST} words")
    return tomllib.loads(text)


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every value below a map by its dotted name; an empty map is an option that is switched on. Raises :class:`ValueError`."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}".lower().lstrip("."))
    elif UNREADABLE in _leaves(value):
        raise ValueError(f"{path[:100]} holds {described(UNREADABLE)}")
    elif path:
        yield path, _written(value)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    else:
        yield value


def _written(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    if value is None or value == {}:
        return "true"
    return str(value).lower() if isinstance(value, bool) else str(value)
