# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about the Gateway API, what folders of manifests hold, which load balancer is which, and who serves what: 140 to 169."""

from __future__ import annotations

from .finding_kind import FindingKind

SERVED: tuple[FindingKind, ...] = (
    FindingKind(
        "MLB140", "warning", "Route that no listener takes",
        "A Gateway or ListenerSet that the route names as parent does not take it, or not for all hosts; nothing is planned for that.",
        "Correct the listener, or what the route asks of it; the message says which.",
    ),
    FindingKind(
        "MLB141", "info", "The load balancer answers by itself",
        "A redirect or a response of the load balancer's own takes the place of the backends that the rule names, so nobody dials them.",
        "Nothing has to be done; take the backends or the filter out if that is not what was meant.",
    ),
    FindingKind(
        "MLB142", "warning", "Filter that is not read",
        "What a filter does is not known, and it may set the Host that is sent, so where requests go is not known either.",
        "Look up what the filter does; let a proof by traffic confirm the route.",
    ),
    FindingKind(
        "MLB143", "warning", "Unknown Gateway class",
        "A Gateway has a class whose controller no profile knows, or that is not there; its routes are read as the standard has them.",
        "If the class is misspelt, correct it; a load balancer outside of the cluster can be used in chained mode.",
    ),
    FindingKind(
        "MLB144", "info", "Gateway without a workload",
        "A Gateway has a class of a known load balancer, of which no workload was found: its operator makes it, or it is elsewhere.",
        "Nothing for manifests; in a cluster, see whether the operator runs.",
    ),
    FindingKind(
        "MLB145", "warning", "A Gateway that its load balancer does not serve",
        "A Gateway's class names the controller of a load balancer that is here, and none of that load balancer's workloads serves it.",
        "Name the controller that the load balancer was told, or tell it this one.",
    ),
    FindingKind(
        "MLB146", "warning", "A sidecar that must not be there",
        "The load balancer's pods get a sidecar, as their namespace or their labels ask for it, and with one they do not work.",
        "Label its pods sidecar.istio.io/inject: \"false\", through its operator's settings where an operator makes them.",
    ),
    FindingKind(
        "MLB150", "info", "Not a manifest",
        "Documents of a folder are no Kubernetes objects (values, charts, schemas and the like), and were left out.",
        "Nothing, unless one of them should be a manifest: then give it apiVersion, kind and metadata.name.",
    ),
    FindingKind(
        "MLB151", "info", "A namespace is assumed",
        "Objects of the manifests have no namespace. Where they are applied decides about injection and policies, so it is assumed.",
        "Set default_namespace to where they will be applied, or write metadata.namespace.",
    ),
    FindingKind(
        "MLB152", "info", "Objects that are there more than once",
        "Manifests hold objects several times, word for word, as several renderings of one base do. Each counts once.",
        "Nothing, unless one of them was meant to be another object.",
    ),
    FindingKind(
        "MLB153", "warning", "Two load balancers fit one workload",
        "What a workload shows (program, options, image, labels, class) fits several load balancers equally well; one of them is assumed.",
        "Describe it with custom_profiles, or give its image the name under which its vendor publishes it.",
    ),
    FindingKind(
        "MLB154", "warning", "Several default IngressClasses",
        "More than one IngressClass is marked as the default. Ingresses without a class are then refused, or get the newest, by the API "
        "server's version.",
        "Mark one of them alone (ingressclass.kubernetes.io/is-default-class), or name the class in each Ingress.",
    ),
    FindingKind(
        "MLB155", "warning", "A class that its load balancer does not serve",
        "An IngressClass names the controller of a load balancer that is here, and none of that load balancer's workloads serves it.",
        "Have one of them serve the class, or remove it.",
    ),
    FindingKind(
        "MLB156", "warning", "Nobody serves this object",
        "No load balancer that was found serves the object, so it is no route, and nothing is planned for it.",
        "Name a class that somebody serves, or remove the object; if its load balancer is elsewhere, that is where to look.",
    ),
    FindingKind(
        "MLB157", "info", "An object without a route",
        "The load balancer of its kind is here, but read no route of the object: it answers by itself, or is not served.",
        "Nothing if that is meant; else compare its class, namespace and labels with the load balancer's settings.",
    ),
    FindingKind(
        "MLB158", "warning", "A request of the load balancer's own is blocked",
        "The load balancer asks somebody outside of the mesh (an authoriser, a mirror), and a sidecar under REGISTRY_ONLY blocks that.",
        "Make a ServiceEntry for the host that the message names.",
    ),
    FindingKind(
        "MLB159", "warning", "Routes that are not in the cluster's objects",
        "The load balancer has routes in a file or a registry that no object of the cluster holds, so they are not known.",
        "Keep them in objects of the cluster (a ConfigMap, say), or prove them by traffic.",
    ),
)
