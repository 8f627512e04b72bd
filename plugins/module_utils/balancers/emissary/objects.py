# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one Emissary reads: Mappings wherever they are written, in the order in which it processes them, and what holds for all of them.

Source: emissary-ingress/emissary v4.1.0, python/ambassador/src/ambassador: fetch/ingress.py, fetch/resource.py, and
pkg/snapshot/v1/annotations.go (v3.10.0 is alike); ir: irserviceresolver.py, irbasemapping.py (normalize_service_name), irtlscontext.py,
ircluster.py (the cluster's name).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from ...core.guard import NotUnderstood
from ...core.model import LoadBalancer, ObjectRef, Scheme
from ...istio.mesh import cluster_domain
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of, ref_of
from ...kube.services import find_port
from ...kube.shapes import Fault, Shape, described, shape
from ...kube.snapshot import Snapshot, Unreadable
from ...kube.yaml_text import YamlProblem, yaml_documents
from ..kit.ingresses import IngressEntry, class_of, entries
from ..kit.objects import objects_of, within_guard
from ..kit.settings import settings_of
from .settings import DEFAULT_ID, Settings

GROUP = "getambassador.io"
MAPPING, TCP_MAPPING = f"Mapping.{GROUP}", f"TCPMapping.{GROUP}"
ANNOTATION, ID_ANNOTATION = f"{GROUP}/config", f"{GROUP}/ambassador-id"
CLASS = "ambassador"
MODULE, HOST, TLS_CONTEXT = f"Module.{GROUP}", f"Host.{GROUP}", f"TLSContext.{GROUP}"
SERVICE_RESOLVER, ENDPOINT_RESOLVER = "KubernetesServiceResolver", "KubernetesEndpointResolver"
CONSUL_RESOLVER = "ConsulResolver"
RESOLVERS = tuple(f"{kind}.{GROUP}" for kind in (SERVICE_RESOLVER, ENDPOINT_RESOLVER, CONSUL_RESOLVER))
KINDS = (MAPPING, TCP_MAPPING, MODULE, HOST, TLS_CONTEXT, *RESOLVERS)
DEFAULT_RESOLVER = "kubernetes-service"
ISTIO_SECRET = "istio-certs"
"""The Secret that Emissary makes up, without one in the cluster, of what it finds in AMBASSADOR_ISTIO_SECRET_DIR."""
_BUILT_IN = {
    DEFAULT_RESOLVER: SERVICE_RESOLVER, "endpoint": ENDPOINT_RESOLVER, "kubernetes-endpoint": ENDPOINT_RESOLVER,
    "consul": CONSUL_RESOLVER, "consul-endpoint": CONSUL_RESOLVER,
}
_ALIASES = (("endpoint", "kubernetes-endpoint"), ("consul", "consul-endpoint"))
_BALANCERS = frozenset({"round_robin", "least_request", "ring_hash", "maglev"})


_BALANCER = "load_balancer{policy header cookie{name} source_ip?}"
# Ids are a list or a single text, and tls is a truth value or a name: what has several forms is taken apart where it is read.
MAPPING_FIELDS = f"""spec{{
    service hostname host host_redirect? host_rewrite auto_host_rewrite? host_regex? headers<>* regex_headers<>* prefix prefix_exact?
    prefix_regex? rewrite resolver precedence# cluster_tag shadow? {_BALANCER} retry_policy* circuit_breakers* tls* ambassador_id*
    port# weight# address method method_regex? add_request_headers<>* health_checks*
}}"""
MODULE_FIELDS = f"""spec{{ambassador_id* config{{
    resolver {_BALANCER} use_ambassador_namespace_for_service_resolution?
    circuit_breakers* retry_policy* add_request_headers<>* httpmapping{{add_request_headers<>*}}
}}}}"""
_MAPPING = shape(MAPPING_FIELDS)
_DOCUMENT = shape("kind name namespace metadata{name namespace labels=} metadata_labels= spec{}")


class Origin(Enum):
    """What the object that holds a Mapping is to Emissary; the value says why the Mapping cannot be set, empty where it can."""

    OBJECT = ""
    ANNOTATION = f"it is written in the annotation {ANNOTATION}, which is one text; a Mapping of its own could be set"
    INGRESS = "an Ingress has neither a resolver nor a Host of its own here; a Mapping in its place could be set"


@dataclass(frozen=True)
class MappingTarget:
    """A Mapping's ``service``, taken apart. ``host`` is the name that is resolved, ``port`` 0 where none is written."""

    scheme: str
    host: str
    port: int

    @property
    def is_address(self) -> bool:
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def may_be_external(self) -> bool:
        """Whether the host may be any domain: one with dots that does not say that it is a Service."""
        labels = self.host.split(".")
        return len(labels) > 1 and labels[2:3] != ["svc"]

    def service(self, home: str) -> tuple[str, str]:
        """Service and namespace that the host names seen from Emissary's pod; no namespace where it cannot be a Service."""
        if self.is_address or self.host == "localhost":
            return self.host, ""
        name, dot, rest = self.host.partition(".")
        return name, rest.partition(".")[0] if dot else home


@dataclass(frozen=True)
class DeclaredMapping:
    """One Mapping or TCPMapping. ``owner`` is the object that holds it; Emissary sorts by ``rank``, empty for its own name."""

    kind: str
    name: str
    namespace: str
    spec: Obj = field(compare=False)
    labels: dict[str, str] = field(compare=False)
    owner: Obj = field(compare=False)
    origin: Origin
    rank: str = ""

    @property
    def is_tcp(self) -> bool:
        return self.kind == "TCPMapping"

    @property
    def ref(self) -> ObjectRef:
        return ref_of(self.owner)

    @property
    def label(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def target(self) -> MappingTarget:
        """Its ``service``: an optional scheme, a host, an optional port."""
        service = str(self.spec.get("service", ""))
        scheme, separator, rest = service.partition("://")
        try:
            parts = urlsplit("//" + (rest if separator else service))
            return MappingTarget(scheme.lower() if separator else "", parts.hostname or "", parts.port or 0)
        except ValueError:
            return MappingTarget("", "", 0)


def declared_mappings(
    snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None, unreadable: list[Unreadable] | None = None
) -> list[DeclaredMapping]:
    """Every Mapping and TCPMapping, Mappings first, each in Emissary's order; ``only`` those that these objects hold.

    Objects whose annotation is not understood are added to ``unreadable``.
    """
    settings, declared = settings_of(load_balancer, Settings), list[DeclaredMapping]()
    for kind in (MAPPING, TCP_MAPPING):
        for item in objects_of(snapshot, kind, only):
            if settings.takes(item):
                name, namespace, spec = name_of(item), namespace_of(item), item.get("spec") or {}
                declared.append(DeclaredMapping(str(item["kind"]), name, namespace, spec, labels_of(item), item, Origin.OBJECT))
    annotated = list(_annotated((*objects_of(snapshot, kinds.SERVICE, only), *objects_of(snapshot, kinds.INGRESS, only)), settings))
    declared += [part for part in annotated if isinstance(part, DeclaredMapping)]
    if unreadable is not None:
        unreadable += [part for part in annotated if isinstance(part, Unreadable)]
    for item in objects_of(snapshot, kinds.INGRESS, only):
        if _takes_ingress(settings, load_balancer.classes, item):
            for number, entry in enumerate(entries(item)):
                service = snapshot.get(kinds.SERVICE, namespace_of(item), entry.service) or {}
                declared.append(_of_entry(item, f"{name_of(item)}-{number}", entry, service))
    return sorted(declared, key=lambda item: (item.is_tcp, item.rank or f"{item.name}.{item.namespace}.1"))


def _annotated(objects: Iterable[Obj], settings: Settings) -> Iterator[DeclaredMapping | Unreadable]:
    for item in objects:
        if ANNOTATION in (dig(item, "metadata", "annotations") or ()) and settings.watches(item):
            yield from within_guard(item, partial(_of_annotation, settings, item))


def _of_annotation(settings: Settings, owner: Obj) -> Iterator[DeclaredMapping]:
    for number, document in enumerate(documents(annotations_of(owner)[ANNOTATION])):
        _check(document, _DOCUMENT, number)
        spec = {key: value for key, value in document.items() if key not in ("apiVersion", "kind", "metadata", "spec", "status")}
        spec.update(document.get("spec") or {})
        if document.get("kind") in ("Mapping", "TCPMapping") and settings.has_our_id(spec):
            _check({"spec": spec}, _MAPPING, number)
            name = str(document.get("name") or dig(document, "metadata", "name", default=""))
            namespace = document.get("namespace") or dig(document, "metadata", "namespace", default="") or namespace_of(owner)
            labels = document.get("metadata_labels") or dig(document, "metadata", "labels", default=labels_of(owner))
            rank = f"{name_of(owner)}.{namespace_of(owner)}.{number + 1}"
            yield DeclaredMapping(str(document["kind"]), name, str(namespace), spec, dict(labels), owner, Origin.ANNOTATION, rank)


def _check(document: Obj, form: Shape, number: int) -> None:
    """Raise :class:`NotUnderstood` where a document of an annotation does not have the types of a Mapping."""
    if not form.fits(document):
        faults: list[Fault] = []
        form.mend(document, (), faults)
        if faults:
            raise NotUnderstood(f"document {number + 1} of its annotation {ANNOTATION}: {'; '.join(map(str, faults[:3]))}")


def _takes_ingress(settings: Settings, classes: tuple[str, ...], ingress: Obj) -> bool:
    name, annotation = class_of(ingress)
    identity = annotations_of(ingress).get(ID_ANNOTATION, DEFAULT_ID)
    return (name in classes or annotation.lower() == CLASS) and identity == settings.identity and settings.watches(ingress)


def _of_entry(ingress: Obj, name: str, entry: IngressEntry, service: Obj) -> DeclaredMapping:
    """An Ingress's entry as Emissary itself turns it into a Mapping: no resolver, no Host, and the path cut off by default."""
    namespace, port = namespace_of(ingress), find_port(service, entry.reference)
    spec = {
        "prefix": entry.path, "prefix_exact": entry.path_type == "Exact", "hostname": entry.host or "*",
        "service": f"{entry.service}.{namespace}:{int(port.get('port', 0)) if port else entry.reference}",
        "precedence": int(entry.path_type == "Exact"),
    }
    return DeclaredMapping("Mapping", name, namespace, spec, labels_of(ingress), ingress, Origin.INGRESS)


def documents(text: str) -> list[Obj]:
    """The objects in an annotation's YAML. Raises :class:`NotUnderstood`: Emissary ignores it as a whole where it is no YAML."""
    try:
        loaded = [content for dummy, content in yaml_documents(text) if content is not None]
    except YamlProblem as error:
        raise NotUnderstood(f"its annotation {ANNOTATION} is no YAML that is followed: {error}") from error
    wrong = next((item for item in loaded if not isinstance(item, dict)), None)
    if wrong is not None:
        raise NotUnderstood(f"its annotation {ANNOTATION} holds {described(wrong)}, where a map is expected")
    return loaded


@dataclass(frozen=True)
class Configuration:
    """``home`` is the namespace that Emissary takes for its own, ``pods_in`` the one of its pods.

    ``resolvers`` are kinds by name, ``contexts`` what TLSContexts say by name. ``in_cluster`` says whether there is a Service of a
    namespace and name, or at least the namespace. ``domain`` is that of the cluster's Services. ``written`` is the folder in which its
    sidecar keeps the mesh's certificate for it, empty without one.
    """

    home: str
    pods_in: str
    module: Obj
    resolvers: Mapping[str, str]
    contexts: Mapping[str, Obj]
    hosts: tuple[Obj, ...]
    in_cluster: Callable[[str, str], bool]
    domain: str
    written: str

    def resolver_of(self, spec: Obj) -> str:
        """Name of the resolver that a Mapping asks for: its own, else the Module's, else the built-in one."""
        return str(spec.get("resolver") or self.module.get("resolver") or DEFAULT_RESOLVER)

    def kind_of(self, spec: Obj) -> str:
        """Kind of that resolver, empty where there is none of that name."""
        return self.resolvers.get(self.resolver_of(spec), "")

    def service_resolver(self) -> str:
        """Name of a resolver that gives the Service's address, empty where somebody gave its name to another kind."""
        names = [DEFAULT_RESOLVER, *sorted(self.resolvers)]
        return next((name for name in names if self.resolvers.get(name) == SERVICE_RESOLVER), "")

    def mistake(self, item: DeclaredMapping) -> str:
        """Why Emissary leaves a Mapping out, empty where it does not."""
        kind, balancer = self.kind_of(item.spec), item.spec.get("load_balancer")
        if not kind:
            return f"resolver {self.resolver_of(item.spec)} does not exist"
        if balancer and kind == SERVICE_RESOLVER:
            return f"load_balancer is not allowed with resolver {self.resolver_of(item.spec)}, which gives the Service's address"
        if balancer and dig(balancer, "policy") not in _BALANCERS:
            return f"load_balancer has no valid policy ({dig(balancer, 'policy')})"
        if kind == CONSUL_RESOLVER and "." in item.target.host:
            return "the Consul resolver allows no dots in service"
        if not item.target.host:
            return f"service {item.spec.get('service', '')!r} names no host"
        return ""

    def qualified(self, item: DeclaredMapping) -> MappingTarget:
        """The Mapping's target as Emissary resolves it: a bare name gets the Mapping's namespace."""
        target = item.target
        bare = target.host and "." not in target.host and ":" not in target.host and target.host != "localhost"
        from_home = item.namespace == self.home or self.module.get("use_ambassador_namespace_for_service_resolution")
        if not bare or from_home or self.kind_of(item.spec) == CONSUL_RESOLVER:
            return target
        return MappingTarget(target.scheme, f"{target.host}.{item.namespace}", target.port)

    def originates_tls(self, item: DeclaredMapping) -> bool:
        """Whether Emissary speaks TLS to the backend."""
        scheme = "" if item.is_tcp else item.target.scheme
        return scheme == "https" or bool(self.context_of(item)) or item.spec.get("tls") in (True, "true")

    def context_of(self, item: DeclaredMapping) -> str:
        """Name of the TLSContext that a Mapping uses, empty where it names none that exists."""
        name = item.spec.get("tls")
        return str(name) if isinstance(name, str) and name in self.contexts else ""

    def scheme(self, item: DeclaredMapping) -> Scheme:
        """What Emissary speaks to the backend."""
        if not self.originates_tls(item):
            return "tcp" if item.is_tcp else "http"
        context = self.contexts.get(self.context_of(item), {})
        by_secret = context.get("secret") == ISTIO_SECRET and context.get("cacert_chain_file")
        return "mutual_tls" if by_secret or self._by_files(context) else "tls"

    def _by_files(self, context: Obj) -> bool:
        """Whether a TLSContext names the files that the sidecar writes, each by its own field."""
        named = (context.get(key) for key in ("cert_chain_file", "private_key_file", "cacert_chain_file"))
        return bool(self.written) and [*named] == [f"{self.written}/{name}.pem" for name in ("cert-chain", "key", "root-cert")]

    def cluster(self, item: DeclaredMapping) -> str:
        """What decides with whom a Mapping shares an upstream. The resolver is not in it: the first one's holds for all."""
        target, spec = self.qualified(item), item.spec
        tls = self.originates_tls(item)
        balancer = spec.get("load_balancer") or self.module.get("load_balancer") or {}
        if balancer.get("policy") not in _BALANCERS:
            balancer = {}
        words: list[Any] = [
            "shadow" if spec.get("shadow") else spec.get("cluster_tag") or "",
            f"{target.scheme}{target.host}:{target.port or ''}",
            tls, self.context_of(item) if tls and target.scheme != "https" else "",
            spec.get("host_rewrite") or "" if tls else "", item.namespace,
            spec.get("circuit_breakers") or self.module.get("circuit_breakers") or "",
            [balancer.get("policy"), balancer.get("header"), dig(balancer, "cookie", "name"), "source_ip" in balancer],
        ]
        return json.dumps(words, sort_keys=True)


def read_configuration(snapshot: Snapshot, load_balancer: LoadBalancer) -> Configuration:
    """Read what counts for an instance."""
    settings = settings_of(load_balancer, Settings)

    def counting(*of_kinds: str) -> list[Obj]:
        return [item for kind in of_kinds for item in snapshot.all(kind) if settings.takes(item)]

    def in_cluster(namespace: str, name: str) -> bool:
        return (snapshot.get(kinds.SERVICE, namespace, name) or snapshot.get(kinds.NAMESPACE, "", namespace)) is not None

    return Configuration(
        settings.namespace, load_balancer.namespace, _module(settings.namespace, counting(MODULE)), _resolvers(counting(*RESOLVERS)),
        {name_of(item): item.get("spec") or {} for item in counting(TLS_CONTEXT)}, tuple(counting(HOST)), in_cluster,
        cluster_domain(snapshot), settings.written if load_balancer.sidecar.present else "",
    )


def _module(home: str, modules: list[Obj]) -> Obj:
    """The Module called ``ambassador``, Emissary's own before others; it looks for that name only."""
    named = sorted((item for item in modules if name_of(item) == "ambassador"), key=lambda item: namespace_of(item) != home)
    return dict(dig(named, 0, "spec", "config", default={}))


def _resolvers(objects: list[Obj]) -> dict[str, str]:
    """Kind by name: objects first, else the names that are built in, where each pair of names is one."""
    given = {name_of(item): str(item["kind"]) for item in objects}
    resolvers = {**_BUILT_IN, **given}
    for one, other in _ALIASES:
        if (one in given) != (other in given):
            resolvers[one] = resolvers[other] = given.get(one) or given[other]
    return resolvers
