# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kong's ingress controller was started with, and what its own class's parameters say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...kube import kinds
from ...kube.default_class import is_default_class
from ...kube.objects import Obj, argument, containers_of, dig, image_name, labels_of, name_of, namespace_of, pod_template
from ...kube.selectors import selects
from ..contract.instances import Neighbours
from ..kit.recognition import version_of, words_of
from ..kit.scope import Scope, listed_names
from ..kit.settings import variable

_INSTANCE = "app.kubernetes.io/instance"
PARAMETERS = "IngressClassParameters.configuration.konghq.com"


_OFF = frozenset({"false", "0", "f", "F", "FALSE", "False"})


@dataclass(frozen=True)
class Settings:
    """``class_name`` is empty where no controller was found. ``class_wide``: its class turns Service routing on for all that it serves.

    ``default_class``: its class is the cluster's default one. ``version`` is the controller's. ``scope`` are the namespaces that it
    watches. ``off`` are those of its controllers that were switched off, by the last part of their option. ``flavour`` is that of the
    proxy's router. ``gateway_controller`` is the name that GatewayClasses have to have, ``gateway_only`` the one Gateway (namespace/name)
    that it looks after, empty for all; ``alpha``: its feature gate GatewayAlpha is open. ``published`` are the Services (namespace/name) of
    the proxy. ``listens`` are the proxy's ports by protocol.
    """

    class_name: str = ""
    version: str = ""
    class_wide: bool = False
    default_class: bool = False
    scope: Scope = Scope()
    off: frozenset[str] = frozenset()
    flavour: str = ""
    gateway_controller: str = "konghq.com/kic-gateway-controller"
    gateway_only: str = ""
    alpha: bool = False
    published: tuple[str, ...] = ()
    listens: Mapping[int, str] = field(default_factory=dict)

    def protocols_at(self, port: Obj) -> tuple[str, ...]:
        """Protocols of the Gateway API that the proxy speaks at a port of its Service; all where that is not known."""
        target, transport = port.get("targetPort", port.get("port")), port.get("protocol") or "TCP"
        if transport != "TCP" or not isinstance(target, int):
            return ("UDP",) if transport == "UDP" else ("HTTP", "HTTPS", "TCP", "TLS")
        return (self.listens.get(target, "TCP"),)

    @property
    def classes(self) -> tuple[str, ...]:
        """The one class that the controller was told."""
        return (self.class_name,) if self.class_name else ()


def option(container: Obj, name: str) -> str:
    """An option of the controller: an argument, else a variable; empty where neither is there."""
    found = argument(container, name)
    return variable(container, "CONTROLLER_" + name.upper().replace("-", "_")) if found is None else found


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """Settings of the controller that configures this proxy, wherever it runs."""
    pair = _controller(workload, near)
    if pair is None:
        return Settings()
    home, found = pair
    name = option(found, "ingress-class") or "kong"
    # The controller compares names; without a class object of that name its parameters are the defaults.
    own = near.named(kinds.INGRESS_CLASS, "", name) or {}
    watched = listed_names(option(found, "watch-namespace"))
    # The namespace of the proxy's own Service is always watched beside those that are named.
    published = option(found, "publish-service").rpartition("/")[0].replace("$(POD_NAMESPACE)", home)
    return Settings(
        name, version_of(found), _class_wide(near, own), is_default_class(own),
        Scope(watched | (frozenset({published}) - {""} if watched else frozenset())), frozenset(_switched_off(found)),
        variable(container, "KONG_ROUTER_FLAVOR"), option(found, "gateway-api-controller-name") or Settings.gateway_controller,
        option(found, "gateway-to-reconcile"), "GatewayAlpha=true" in option(found, "feature-gates").replace(" ", "").split(","),
        tuple(_published(found, home)), dict(_listens(container)),
    )


def _published(container: Obj, home: str) -> Iterator[str]:
    for name in ("publish-service", "publish-service-udp"):
        text = option(container, name).replace("$(POD_NAMESPACE)", home)
        if text:
            yield text if "/" in text else f"{home}/{text}"


def _listens(container: Obj) -> Iterator[tuple[int, str]]:
    """The proxy's ports, each with its protocol: ``0.0.0.0:8443 http2 ssl``, with commas."""
    usual = "0.0.0.0:8000, 0.0.0.0:8443 http2 ssl"
    for text, plain, secured in (
        (variable(container, "KONG_STREAM_LISTEN"), "TCP", "TLS"), (variable(container, "KONG_PROXY_LISTEN") or usual, "HTTP", "HTTPS"),
    ):
        for item in text.split(","):
            address, *flags = item.split() or [""]
            number = address.rpartition(":")[2]
            if number.isdigit():
                yield int(number), secured if "ssl" in flags else plain


def _switched_off(container: Obj) -> Iterator[str]:
    prefix = "enable-controller-"
    variables = (str(item.get("name", "")) for item in container.get("env") or [])
    names = {word.removeprefix("CONTROLLER_").lower().replace("_", "-") for word in variables}
    names |= {word.lstrip("-").partition("=")[0] for word in words_of(container) if word.startswith("-")}
    yield from (name.removeprefix(prefix) for name in names if name.startswith(prefix) and option(container, name) in _OFF)


def _class_wide(near: Neighbours, own: Obj) -> bool:
    parameters = dig(own, "spec", "parameters", default={})
    if (parameters.get("apiGroup"), parameters.get("kind")) != ("configuration.konghq.com", "IngressClassParameters"):
        return False
    held = near.named(PARAMETERS, str(parameters.get("namespace", "")), str(parameters.get("name", "")))
    return bool(dig(held, "spec", "serviceUpstream", default=False))


def _controller(workload: Obj, near: Neighbours) -> tuple[str, Obj] | None:
    """The controller of a proxy with its namespace: beside it, else one that names its Services, else the nearest that names no other."""
    everywhere = [workload, *sorted(
        near.workloads, key=lambda item: (namespace_of(item) != namespace_of(workload), namespace_of(item), name_of(item)),
    )]  # fmt: skip
    found = [(item, one) for item in everywhere for one in containers_of(pod_template(item)) if is_controller(one)]
    beside = next(((namespace_of(item), one) for item, one in found if item is workload), None)
    if beside is not None:
        return beside
    told = [(namespace_of(item), one, _names(item, one, workload, near)) for item, one in found]
    mine = next(((home, one) for home, one, says in told if says is True), None)
    return mine or next(((home, one) for home, one, says in told if says is None), None)


def _names(controller: Obj, container: Obj, workload: Obj, near: Neighbours) -> bool | None:
    """Whether a controller says that it configures this proxy; ``None`` where it does not say, or names what is not there."""
    home = namespace_of(controller)
    references = [option(container, "kong-admin-svc"), option(container, "publish-service")]
    urls = option(container, "kong-admin-url")
    hosts = [url.partition("://")[2].partition("/")[0].partition(":")[0].split(".") for url in urls.split(",") if "://" in url]
    references += ["/".join([*host[1:2], host[0]]) for host in hosts]
    if any(host[0] in ("localhost", "127", "") for host in hosts):
        return False
    for reference in filter(None, references):
        namespace, slash, name = reference.replace("$(POD_NAMESPACE)", home).rpartition("/")
        service = near.named(kinds.SERVICE, namespace if slash else home, name)
        selector = dig(service, "spec", "selector", default={})
        if selector:
            same = namespace_of(service or {}) == namespace_of(workload)
            return same and selects(selector, labels_of(pod_template(workload)))
    instance = labels_of(controller).get(_INSTANCE)
    return None if instance is None or instance == labels_of(workload).get(_INSTANCE, instance) else False


def is_controller(container: Obj) -> bool:
    """Whether a container is the ingress controller, by its image or by its settings."""
    image = image_name(str(container.get("image", "")))[0].rpartition("/")[2]
    variables = {str(item.get("name", "")) for item in container.get("env") or []}
    return image == "kubernetes-ingress-controller" or {"CONTROLLER_INGRESS_CLASS"} <= variables or any(
        name.startswith("CONTROLLER_KONG_ADMIN") for name in variables
    )
