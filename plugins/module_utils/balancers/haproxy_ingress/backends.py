# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy Ingress makes of the paths of Ingresses: one backend per Service and target port, shared by all of its paths.

Source: jcmoraisjr/haproxy-ingress pkg/converters/ingress/{ingress,annotations/mapper}.go at v0.14.7 and in 0.17. A key may stand in
four places: the Service, the Ingress, the ConfigMap that the IngressClass names as parameters, the global ConfigMap. IngressPath by
path, the first place that has a key registers it; for a key of a backend the first registration counts. service-upstream alone
is asked when the backend is made, so only its first path's places and the global ConfigMap count. Values are read as docs'
configuration/keys.md, pkg/converters/ingress/annotations/backend.go (buildBackendHeaders) and pkg/converters/utils/services.go
(FindServicePort) do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ...core.findings import finding
from ...core.model import Finding
from ...kube.objects import Obj, dig, ref_of
from ..kit.annotations import GO_TRUE
from ..kit.ingresses import IngressEntry, class_of
from ..kit.patches import is_older
from .settings import Settings

SERVICE_UPSTREAM, HEADERS, SET_HEADERS = "service-upstream", "headers", "request-set-headers"


@dataclass(frozen=True)
class IngressPath:
    """One path of an object, which is an Ingress but for the controller's default backend.

    ``said`` are the object's own keys; ``service`` is empty where there is none, and ``port`` is its port, if it has that.
    """

    object: Obj
    said: Mapping[str, str]
    entry: IngressEntry
    namespace: str
    service: Obj
    port: Obj | None

    @property
    def backend(self) -> str:
        """The name of the backend that it shares."""
        return backend_name(self.namespace, self.entry.service, target_port_of(self.port) if self.port else str(self.entry.reference))

    @property
    def tcp_port(self) -> int:
        """The port on which it is a TCP service, 0 where it is none."""
        text = self.said.get("tcp-service-port", "")
        return int(text) if text.isdigit() else 0

    @property
    def passes_tls(self) -> bool:
        """Whether clients' TLS goes through to the backend."""
        return self.said.get("ssl-passthrough") in GO_TRUE and self.entry.path == "/" and not self.entry.default


@dataclass
class SharedBackend:
    """What the controller makes of one Service and target port."""

    service_upstream: bool
    keys: dict[str, str] = field(default_factory=dict)
    tcp: bool = False


class SharedBackends:
    """The backends of one instance, made path by path."""

    def __init__(self, settings: Settings, version: str) -> None:
        self.paths: dict[tuple[str, str, str, int], IngressPath] = {}
        self.remarks: list[tuple[Obj, Finding]] = []
        self._settings = settings
        self._knows_set_headers = not is_older(version, 0, 17)
        self._made: dict[str, SharedBackend] = {}

    def add(self, paths: Iterable[IngressPath]) -> None:
        """Register paths in their order; of one host and path the first counts."""
        for path in paths:
            first = self.paths.setdefault((path.entry.host, path.entry.path, path.entry.path_type, path.tcp_port), path)
            if first is path:
                self.register(path)
            else:
                message = f"{path.entry.host or '*'}{path.entry.path} is taken by {ref_of(first.object)}"
                self._remark(path, finding("MLB220", message, ref_of(path.object), cause=ref_of(first.object)))

    def register(self, path: IngressPath) -> None:
        """Enter the keys of a path's places into its backend, in the order in which they count."""
        class_keys = {} if path.entry.default else self._settings.parameters.get(class_of(path.object)[0], {})
        keys = {**class_keys, **path.said, **self._settings.keys.of(path.service)}
        by_address = keys.get(SERVICE_UPSTREAM, self._settings.keys.config.get(SERVICE_UPSTREAM)) in GO_TRUE
        backend = self._made.setdefault(path.backend, SharedBackend(by_address))
        if by_address != backend.service_upstream and SERVICE_UPSTREAM in path.said:
            message = f"service-upstream has no effect for backend {path.backend}: an older Ingress decides"
            self._remark(path, finding("MLB210", message, ref_of(path.object)))
        backend.keys = {**keys, **backend.keys}
        backend.tcp = backend.tcp or bool(path.tcp_port) or path.passes_tls

    def of(self, path: IngressPath) -> SharedBackend:
        """The backend of a path that was registered."""
        return self._made[path.backend]

    def value(self, backend: str, key: str) -> str:
        """The value that counts for a backend, empty where the key stands nowhere."""
        keys = self._made[backend].keys if backend in self._made else {}
        return keys.get(key, self._settings.keys.config.get(key, ""))

    def headers(self, backend: str) -> tuple[str, str]:
        """The key that sets request headers for a backend, and its value."""
        newer = self.value(backend, SET_HEADERS) if self._knows_set_headers else ""
        return (SET_HEADERS, newer) if newer else (HEADERS, self.value(backend, HEADERS))

    def _remark(self, path: IngressPath, remark: Finding) -> None:
        self.remarks.append((path.object, remark))


def backend_name(namespace: str, service: str, target: str) -> str:
    """How a backend is told from others."""
    return f"{namespace}-{service}-{target}"


def service_port(service: Obj, reference: int | str) -> Obj | None:
    """The port that a reference means: by name or target port first, and only then by number."""
    ports = dig(service, "spec", "ports", default=[])
    for port in ports:
        if str(reference) in (str(port.get("name") or ""), target_port_of(port)):
            return dict(port)
    return next((dict(port) for port in ports if str(port.get("port")) == str(reference)), None)


def target_port_of(port: Obj) -> str:
    return str(port.get("targetPort") or port.get("port") or "")


def host_in(lines: str, namespace: str, service: str) -> str:
    """The Host that lines of headers set, empty where none does."""
    host = ""
    for name, value in header_lines(lines):
        if name.lower() == "host":
            host = value.replace("%[service]", service).replace("%[namespace]", namespace)
    # What else HAProxy fills in is not known before the request is there.
    return host.replace("%[", "$[") if "%[" in host else host


def header_lines(lines: str) -> Iterator[tuple[str, str]]:
    """Names and values of headers, one a line, with a colon or blanks between them."""
    for line in lines.splitlines():
        text = line.strip()
        position = next((number for number, letter in enumerate(text) if letter in ": "), 0)
        if position:
            yield text[:position], text[position:].lstrip(":").strip()


def with_host(lines: str, host: str) -> str:
    """The lines with a Host; what the client sent goes on in X-Forwarded-Host, which HAProxy Ingress does not send itself."""
    names = {name.lower() for name, _value in header_lines(lines)}
    forwarded = [] if "x-forwarded-host" in names else ["x-forwarded-host: %[req.hdr(host)]"]
    return "\n".join([*lines.splitlines(), *forwarded, f"host: {host}"])
