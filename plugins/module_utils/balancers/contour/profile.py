# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contour (projectcontour/contour): an Envoy DaemonSet or Deployment carries the traffic, the controller only configures it.

It always sends to pod addresses (internal/envoy/v3/cluster.go: EDS); only an ExternalName Service makes it resolve a name, and
that is off by default for reasons of security. So there is no switch: its Host settings alone do not help.
Source for the rest: cmd/contour/serve.go, internal/ingressclass/ingressclass.go,
examples/contour/03-envoy.yaml, internal/provisioner.
"""

from __future__ import annotations

from ...core.interception import EXCLUDE_OUTBOUND_PORTS
from ...kube.objects import Obj, containers_of, dig, labels_of, name_of, namespace_of, pod_template
from ..contract.facts import About, Facts, ProofLevel
from ..contract.instances import InstanceReader, Neighbours, SettingsMaps, SidecarPlace, SidecarTarget
from ..contract.profile import Profile
from ..contract.recognition import GatewayClasses, Recogniser, Recognition, Signs
from ..kit.classes import classes_in_settings
from ..kit.recognition import by_signs, programs_of, version_of
from .chain import CHAIN
from .routes import GATEWAY_CONTROLLER, READERS
from .settings import OWNER, Settings, read_settings

FACTS = Facts(
    routes=("HTTPProxy", "Ingress", "HTTPRoute, GRPCRoute, TCPRoute, TLSRoute"),
    host="requestHeadersPolicy of an HTTPProxy (per service since 1.25), of no use without Service routing",
    remark="an ExternalName Service that names the backend is its only Service routing (enableExternalNameService, off by default)",
    proof=ProofLevel.LAB, versions="1.33.8; TLSRoute and requestHeadersPolicy were read, not run",
)
SIGNS = Signs(labels=(frozenset({("app.kubernetes.io/name", "contour"), ("app.kubernetes.io/component", "envoy")}),))
_XDS_PORT = "8001"


def recognise_workload(workload: Obj) -> Recognition | None:
    """By what only its data plane has beside Envoy: the shutdown manager, or the step that writes Envoy's bootstrap."""
    template = pod_template(workload)
    for item in [*containers_of(template), *dig(template, "spec", "initContainers", default=[])]:
        programs = programs_of(item)
        role = next((name for name in ("shutdown-manager", "bootstrap") if name in programs), "")
        if "contour" in programs and role:
            evidence = (f"container {item.get('name')} runs contour's {role}",)
            return Recognition("certain", evidence, _envoy(template), version_of(item))
    return by_signs(SIGNS, workload)


def _envoy(template: Obj) -> Obj:
    containers = containers_of(template)
    return next((item for item in containers if "envoy" in programs_of(item)[:1]), containers[0] if containers else {})


def own_namespace(workload: Obj, container: Obj) -> set[str]:
    """The namespace that its controller, and so the controller's configuration, is in."""
    return {namespace_of(workload)}


def sidecar_target(workload: Obj, near: Neighbours) -> SidecarTarget:
    """The workload, unless the provisioner makes it."""
    refusal = (
        f"Contour's provisioner makes {name_of(workload)} and puts its pods back: label namespace {namespace_of(workload)} "
        "for injection, and set spec.envoy.podAnnotations of the ContourDeployment that its GatewayClass names"
    )
    return SidecarTarget(
        workload, annotations=((EXCLUDE_OUTBOUND_PORTS, _XDS_PORT),), refusal=refusal if labels_of(workload).get(OWNER) else ""
    )


PROFILE = Profile(
    About("contour", "Contour", facts=FACTS),
    Recogniser(SIGNS, workload=recognise_workload, gateway_classes=GatewayClasses((GATEWAY_CONTROLLER,))),
    InstanceReader(
        read_settings, SettingsMaps(own_namespace), classes_in_settings(Settings), sidecar_target=SidecarPlace(sidecar_target),
    ),
    READERS, chain=CHAIN,
)
