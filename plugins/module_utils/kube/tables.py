# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of Kubernetes' own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from . import kinds
from .shapes import Shape, shape

_METADATA = """metadata{
    name namespace labels= annotations= generation# creationTimestamp deletionTimestamp resourceVersion uid finalizers[]
    ownerReferences[]{apiVersion kind name controller?}
}"""
_SELECTOR = "{matchLabels= matchExpressions[]{key operator values[]}}"
_CONTAINER = """{
    name image command[] args[] restartPolicy env[]{name value valueFrom*} ports[]{name containerPort: hostPort: protocol}
    volumeMounts[]{name mountPath subPath}
}"""
_VOLUMES = """volumes[]{
    name configMap{name items[]{key path}} secret{secretName} projected{sources[]{configMap{name items[]{key path}}}}
}"""
_POD_SPEC = f"""spec{{
    containers[]{_CONTAINER} initContainers[]{_CONTAINER} hostNetwork? serviceAccountName restartPolicy
    nodeName {_VOLUMES}
}}"""
_TEMPLATE = f"template{{metadata{{name labels= annotations=}} {_POD_SPEC}}}"
_CONDITIONS = "conditions[]{type status reason message}"
_ADDRESSES = "status{loadBalancer{ingress[]{ip hostname ports*}}}"
_BACKEND = "{! service{! name port{! number: name}} resource{! apiGroup kind name}}"
_CONTAINER_STATUS = """{
    name ready? restartCount# state{waiting{reason message} terminated{reason message exitCode#} running*}
    lastState{terminated{reason message exitCode#}}
}"""


def with_metadata(fields: str) -> Shape:
    """The shape of an object: what every object has, and these fields."""
    return shape(f"apiVersion kind {_METADATA} {fields}")


def _workload(more: str = "") -> Shape:
    return with_metadata(f"""
        spec{{replicas# paused? selector{_SELECTOR} {_TEMPLATE} strategy{{type rollingUpdate*}}
             updateStrategy{{type rollingUpdate{{partition#}}}} {more}}}
        status{{observedGeneration# replicas# updatedReplicas# availableReplicas# readyReplicas# desiredNumberScheduled#
               updatedNumberScheduled# numberAvailable# {_CONDITIONS}}}
    """)


ANY_OBJECT = with_metadata("spec{}")
"""Of a kind that is in no table, what every object has is checked; nothing else of it is relied on."""
TABLE: Mapping[str, Shape] = {
    kinds.NAMESPACE: with_metadata("status{phase}"),
    kinds.NODE: with_metadata("spec{providerID} status{nodeInfo{kubeletVersion osImage containerRuntimeVersion}}"),
    kinds.POD: with_metadata(f"""{_POD_SPEC} status{{
        phase podIP podIPs[]{{ip}} {_CONDITIONS} containerStatuses[]{_CONTAINER_STATUS} initContainerStatuses[]{_CONTAINER_STATUS}
    }}"""),
    kinds.SERVICE: with_metadata(f"""spec{{!
        type selector= clusterIP clusterIPs[] externalName externalIPs[] loadBalancerClass publishNotReadyAddresses? loadBalancerIP
        ports[]{{! name port: targetPort:% nodePort: protocol appProtocol}} allocateLoadBalancerNodePorts? externalTrafficPolicy
        healthCheckNodePort# internalTrafficPolicy ipFamilies[] ipFamilyPolicy loadBalancerSourceRanges[] sessionAffinity
        sessionAffinityConfig* trafficDistribution topologyKeys[]
    }} {_ADDRESSES}"""),
    kinds.CONFIG_MAP: with_metadata("data="),
    kinds.ENDPOINT_SLICE: with_metadata("""addressType ports[]{name port: protocol appProtocol}
        endpoints[]{addresses[] conditions{ready? serving? terminating?} targetRef{kind name namespace} nodeName}"""),
    "Endpoints": with_metadata("subsets[]{addresses[]{ip targetRef{kind name namespace}} ports[]{name port: protocol}}"),
    kinds.DEPLOYMENT: _workload(),
    kinds.DAEMON_SET: _workload(),
    kinds.STATEFUL_SET: _workload("serviceName"),
    kinds.INGRESS: with_metadata(f"""spec{{!
        ingressClassName defaultBackend{_BACKEND} tls[]{{! hosts[] secretName}}
        rules[]{{! host http{{! paths[]{{! path pathType backend{_BACKEND}}}}}}}
    }} {_ADDRESSES}"""),
    kinds.INGRESS_CLASS: with_metadata("spec{! controller parameters{! apiGroup kind name namespace scope}}"),
    kinds.WEBHOOK: with_metadata(f"""webhooks[]{{
        name namespaceSelector{_SELECTOR} objectSelector{_SELECTOR} clientConfig{{url service{{name namespace path port:}}}}
    }}"""),
    kinds.NETWORK_POLICY: with_metadata(f"""spec{{
        podSelector{_SELECTOR} policyTypes[]
        egress[]{{ports[]{{port:% endPort# protocol}} to[]{{ipBlock{{cidr except[]}} namespaceSelector{_SELECTOR} podSelector{_SELECTOR}}}}}
    }}"""),
    "CustomResourceDefinition.apiextensions.k8s.io": with_metadata(
        "spec{group scope names{kind plural} versions[]{name served? storage?}}"
    ),
}
