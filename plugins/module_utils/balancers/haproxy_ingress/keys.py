# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy Ingress' configuration keys that matter here, and how their values are read.

Source: jcmoraisjr/haproxy-ingress docs/content/en/docs/configuration/keys.md, pkg/converters/ingress/annotations/backend.go
(buildBackendHeaders) and pkg/converters/utils/services.go (FindServicePort).
"""

from __future__ import annotations

from collections.abc import Iterator

from ...kube.objects import Obj, dig

SERVICE_UPSTREAM, HEADERS, SET_HEADERS = "service-upstream", "headers", "request-set-headers"
TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})


def service_port(service: Obj, reference: int | str) -> Obj | None:
    """The port that a reference means: by name or target port first, and only then by number."""
    ports = dig(service, "spec", "ports", default=[])
    for port in ports:
        if str(reference) in (str(port.get("name") or ""), target_of(port)):
            return dict(port)
    return next((dict(port) for port in ports if str(port.get("port")) == str(reference)), None)


def target_of(port: Obj) -> str:
    return str(port.get("targetPort") or port.get("port") or "")


def host_in(lines: str, namespace: str, service: str) -> str:
    """The Host that lines of headers set, empty where none does."""
    found = ""
    for name, value in header_lines(lines):
        if name.lower() == "host":
            found = value.replace("%[service]", service).replace("%[namespace]", namespace)
    # What else HAProxy fills in is not known before the request is there.
    return found.replace("%[", "$[") if "%[" in found else found


def header_lines(lines: str) -> Iterator[tuple[str, str]]:
    """Names and values of headers, one a line, with a colon or blanks between them."""
    for line in lines.splitlines():
        text = line.strip()
        position = next((number for number, letter in enumerate(text) if letter in ": "), 0)
        if position:
            yield text[:position], text[position:].lstrip(":").strip()


def with_host(lines: str, host: str) -> str:
    """The lines with a Host; what the client sent goes on in X-Forwarded-Host, which HAProxy Ingress does not send itself."""
    names = {name.lower() for name, dummy in header_lines(lines)}
    forwarded = [] if "x-forwarded-host" in names else ["x-forwarded-host: %[req.hdr(host)]"]
    return "\n".join([*lines.splitlines(), *forwarded, f"host: {host}"])
