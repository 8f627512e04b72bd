# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Emissary's settings beside its Mappings: Module, resolvers, TLS contexts, and how a Mapping's ``service`` is read.

Source: emissary-ingress/emissary v4.1.0, python/ambassador/src/ambassador/ir: irserviceresolver.py, irbasemapping.py
(normalize_service_name), irtlscontext.py, ircluster.py (the cluster's name).
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ...kube.objects import Obj, dig, name_of
from .objects import CONSUL_RESOLVER, ENDPOINT_RESOLVER, MODULE, RESOLVERS, SERVICE_RESOLVER, TLS_CONTEXT, Declared, Reader

DEFAULT_RESOLVER = "kubernetes-service"
ISTIO_SECRET = "istio-certs"
"""The Secret that Emissary makes up, without one in the cluster, of what it finds in AMBASSADOR_ISTIO_SECRET_DIR."""
_BUILT_IN = {
    DEFAULT_RESOLVER: SERVICE_RESOLVER,
    "endpoint": ENDPOINT_RESOLVER,
    "kubernetes-endpoint": ENDPOINT_RESOLVER,
    "consul": CONSUL_RESOLVER,
    "consul-endpoint": CONSUL_RESOLVER,
}
_ALIASES = (("endpoint", "kubernetes-endpoint"), ("consul", "consul-endpoint"))
_BALANCERS = frozenset({"round_robin", "least_request", "ring_hash", "maglev"})


@dataclass(frozen=True)
class Target:
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


class Settings:
    """What holds for all Mappings of an instance."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.module = self._module()
        self.resolvers = self._resolvers()
        self.contexts = {name_of(item): item.get("spec") or {} for item in reader.ours(TLS_CONTEXT)}

    def _module(self) -> Obj:
        """The Module called ``ambassador``; Emissary looks for that name only."""
        found = [item for item in self.reader.ours(MODULE) if name_of(item) == "ambassador"]
        own = [item for item in found if item["metadata"].get("namespace") == self.reader.namespace]
        return dict(dig((own or found or [{}])[0], "spec", "config", default={}))

    def _resolvers(self) -> dict[str, str]:
        """Kind by name: objects first, else the names that are built in, with each pair of names standing for one."""
        own = {name_of(item): str(item["kind"]) for kind in RESOLVERS for item in self.reader.ours(kind)}
        found = {**_BUILT_IN, **own}
        for one, other in _ALIASES:
            if (one in own) != (other in own):
                found[one] = found[other] = own.get(one) or own[other]
        return found

    @property
    def default_resolver(self) -> str:
        return str(self.module.get("resolver") or DEFAULT_RESOLVER)

    def resolver_of(self, spec: Obj) -> str:
        """Name of the resolver that a Mapping asks for: its own, else the Module's, else the built-in one."""
        return str(spec.get("resolver") or self.default_resolver)

    def kind_of(self, spec: Obj) -> str:
        """Kind of that resolver, empty where there is none of that name."""
        return self.resolvers.get(self.resolver_of(spec), "")

    def service_resolver(self) -> str:
        """Name of a resolver that gives the Service's address, empty where somebody gave its name to another kind."""
        names = [DEFAULT_RESOLVER, *sorted(self.resolvers)]
        return next((name for name in names if self.resolvers.get(name) == SERVICE_RESOLVER), "")

    def mistake(self, item: Declared) -> str:
        """Why Emissary leaves a Mapping out, empty where it does not."""
        kind, balancer = self.kind_of(item.spec), item.spec.get("load_balancer")
        if not kind:
            return f"resolver {self.resolver_of(item.spec)} does not exist"
        if balancer and kind == SERVICE_RESOLVER:
            return f"load_balancer is not allowed with resolver {self.resolver_of(item.spec)}, which gives the Service's address"
        if balancer and dig(balancer, "policy") not in _BALANCERS:
            return f"load_balancer has no valid policy ({dig(balancer, 'policy')})"
        if kind == CONSUL_RESOLVER and "." in target_of(str(item.spec.get("service", ""))).host:
            return "the Consul resolver allows no dots in service"
        if not target_of(str(item.spec.get("service", ""))).host:
            return f"service {item.spec.get('service', '')!r} names no host"
        return ""

    def qualified(self, item: Declared) -> Target:
        """The Mapping's target as Emissary resolves it: a bare name gets the Mapping's namespace."""
        target = target_of(str(item.spec.get("service", "")))
        bare = target.host and "." not in target.host and ":" not in target.host and target.host != "localhost"
        if not bare or item.namespace == self.reader.namespace or self.module.get("use_ambassador_namespace_for_service_resolution"):
            return target
        if self.kind_of(item.spec) == CONSUL_RESOLVER:
            return target
        return Target(target.scheme, f"{target.host}.{item.namespace}", target.port)

    def originates_tls(self, item: Declared) -> bool:
        """Whether Emissary speaks TLS to the backend."""
        scheme = "" if item.is_tcp else target_of(str(item.spec.get("service", ""))).scheme
        return scheme == "https" or bool(self.context_of(item)) or item.spec.get("tls") in (True, "true")

    def context_of(self, item: Declared) -> str:
        """Name of the TLSContext that a Mapping uses, empty where it names none that exists."""
        name = item.spec.get("tls")
        return str(name) if isinstance(name, str) and name in self.contexts else ""

    def cluster(self, item: Declared) -> str:
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


def target_of(service: str) -> Target:
    """Take a ``service`` apart: an optional scheme, a host, an optional port."""
    scheme, separator, rest = service.partition("://")
    try:
        parts = urlsplit("//" + (rest if separator else service))
        return Target(scheme.lower() if separator else "", parts.hostname or "", parts.port or 0)
    except ValueError:
        return Target("", "", 0)
