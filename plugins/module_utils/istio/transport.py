# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a sidecar speaks to the endpoints of a destination, and whether they take it: plaintext or mutual TLS, pod by pod.

Source: istio/istio pilot/pkg/networking/core/cluster_tls.go and pilot/pkg/model/push_context.go (automatic mutual TLS;
clusters that keep the original destination use it only when every pod has a sidecar).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..core.model import Outcome, Verdict
from ..istio.endpoints import Endpoint
from ..kube import kinds
from ..kube.objects import Obj, dig, name_of, namespace_of
from .authentication import effective_mode, namespace_mode
from .mesh import MESH_DEPENDS, read_mesh
from .visibility import Visibility, host_matches, oldest, short_name

_DEPENDS = (kinds.DESTINATION_RULE, *MESH_DEPENDS)


def rule_hosts(rule: Obj) -> Iterator[str]:
    """Index of DestinationRules by full host name."""
    yield short_name(str(dig(rule, "spec", "host", default="")), namespace_of(rule)).lower()


class Transport:
    """How one viewer's sidecar speaks to endpoints, and whether they take it."""

    def __init__(self, visibility: Visibility) -> None:
        self.visibility = visibility
        self.snapshot = visibility.snapshot

    def destination_rule(self, host: str, home: str) -> Obj | None:
        """The DestinationRule that holds for a host: the client's namespace first, then the Service's, then the root."""
        key = ("destination_rule", self.visibility.viewer.namespace, host.lower(), home)
        viewer = self.visibility.viewer
        return self.snapshot.cached(key, lambda view: Transport(Visibility(view, viewer))._read_rule(host.lower(), home), _DEPENDS)

    def _read_rule(self, host: str, home: str) -> Obj | None:
        candidates = list(self.snapshot.lookup(kinds.DESTINATION_RULE, rule_hosts, host))
        parts = host.split(".")
        for position in range(1, len(parts)):
            candidates += self.snapshot.lookup(kinds.DESTINATION_RULE, rule_hosts, "*." + ".".join(parts[position:]))
        candidates += self.snapshot.lookup(kinds.DESTINATION_RULE, rule_hosts, "*")
        usable = [
            item for item in candidates
            if self.visibility.exported(item) and any(host_matches(pattern, host) for pattern in rule_hosts(item))
            and not dig(item, "spec", "workloadSelector", "matchLabels")
        ]
        for namespace in (self.visibility.viewer.namespace, home, read_mesh(self.snapshot).root_namespace):
            found = [item for item in usable if namespace_of(item) == namespace]
            if found:
                # candidates run from the exact host to ever wider wildcards, and sorting is stable
                narrowest = min(found, key=lambda item: -len(next(iter(rule_hosts(item))).lstrip("*")))
                return _merged(oldest([item for item in found if set(rule_hosts(item)) == set(rule_hosts(narrowest))]))
        return None

    def to_endpoints(
        self, host: str, home: str, port: int, found: tuple[Endpoint, ...], *, together: tuple[Endpoint, ...] | None = None,
        cluster: str = "",
    ) -> Outcome:
        """Verdict for a registry destination: what the DestinationRule or automatic mutual TLS sends, and who takes it.

        ``together``: the cluster keeps the original destination, so that one setting decides for all of these.
        """
        rule = self.destination_rule(host, home)
        tls = rule_tls(rule, port)
        if not found:
            return Outcome("unknown", f"no pods are known behind {host}", cluster)
        mode = str(tls.get("mode") or "")
        where = f"DestinationRule {namespace_of(rule)}/{name_of(rule)}" if rule else ""
        if mode in ("SIMPLE", "MUTUAL"):
            return Outcome("unknown", f"{where} sets TLS mode {mode}, which is not the mesh's mutual TLS", cluster)
        if mode == "DISABLE":
            return self.received(found, dict.fromkeys(found, False), f"{where} disables TLS", cluster)
        if mode == "ISTIO_MUTUAL":
            wrong = self._unexpected_identities(tls, found)
            if wrong:
                return Outcome("refused", f"{where} does not accept the identity {wrong}", cluster)
            return self.received(found, dict.fromkeys(found, True), f"{where} sets ISTIO_MUTUAL", cluster)
        sends = self.automatic(home, found, together)
        return self.received(found, sends, "automatic mutual TLS", cluster)

    def automatic(
        self, home: str, found: tuple[Endpoint, ...], together: tuple[Endpoint, ...] | None
    ) -> dict[Endpoint, bool]:
        """For each endpoint: does automatic mutual TLS encrypt to it?"""
        if not read_mesh(self.snapshot).auto_mtls or namespace_mode(self.snapshot, home) == "DISABLE":
            return dict.fromkeys(found, False)
        if together is not None:
            return dict.fromkeys(found, bool(together) and all(map(_is_meshed, together)))
        return {item: _is_meshed(item) and self._mode(item) != "DISABLE" for item in found}

    def received(self, found: tuple[Endpoint, ...], sends: dict[Endpoint, bool], how: str, cluster: str) -> Outcome:
        """Join what is sent (mutual TLS or plaintext per endpoint) with what each endpoint accepts."""
        verdicts = {item: self._accepts(item, sends[item]) for item in found}
        kinds_seen = sorted(set(verdicts.values()))
        if len(kinds_seen) == 1:
            return Outcome(kinds_seen[0], self._sentence(kinds_seen[0], found[0], sends[found[0]], how), cluster)
        counts = ", ".join(f"{list(verdicts.values()).count(kind)} {kind}" for kind in kinds_seen)
        return Outcome("mixed", f"the pods behind this route differ ({counts}): {how}", cluster)

    def _accepts(self, endpoint: Endpoint, mutual: bool) -> Verdict:
        captured = endpoint.pod is not None and endpoint.pod.captures(endpoint.port)
        if mutual:
            return "mutual_tls" if captured and self._mode(endpoint) != "DISABLE" else "refused"
        return "refused" if captured and self._mode(endpoint) == "STRICT" else "plaintext"

    def _mode(self, endpoint: Endpoint) -> str:
        return effective_mode(self.snapshot, endpoint.pod.pod, endpoint.port) if endpoint.pod else "DISABLE"

    def _sentence(self, verdict: Verdict, endpoint: Endpoint, mutual: bool, how: str) -> str:
        pod = endpoint.pod
        past = f" on port {endpoint.port}" if pod is not None and pod.sidecar and not pod.captures(endpoint.port) else ""
        if verdict == "mutual_tls":
            return how
        if verdict == "refused":
            return f"{how}, but the backend has no sidecar{past} to take it" if mutual else f"{how}, and the backend is STRICT"
        if past or pod is None or not pod.sidecar:
            return f"{how}; the backend has no sidecar{past}"
        return f"{how}, and the backend still accepts plaintext ({self._mode(endpoint)})"

    def _unexpected_identities(self, tls: Obj, found: tuple[Endpoint, ...]) -> str:
        accepted = tls.get("subjectAltNames") or []
        domain = read_mesh(self.snapshot).trust_domain
        for item in found:
            if accepted and item.pod and item.pod.spiffe(domain) not in accepted:
                return item.pod.spiffe(domain)
        return ""


def _merged(rules: list[Obj]) -> Obj:
    """Rules of one host and namespace count as one: the oldest that has a traffic policy, with the subsets of all."""
    first = next((item for item in rules if dig(item, "spec", "trafficPolicy")), rules[0])
    subsets = [entry for item in rules for entry in dig(item, "spec", "subsets", default=[])]
    return {**first, "spec": {**first["spec"], "subsets": subsets}} if len(rules) > 1 else first


def rule_tls(rule: Obj | None, port: int) -> Obj:
    """``trafficPolicy.tls`` of a DestinationRule as it holds for a port; empty where it says nothing."""
    policy = dig(rule, "spec", "trafficPolicy", default={}) if rule else {}
    for item in policy.get("portLevelSettings") or []:
        if dig(item, "port", "number") == port:
            # Port settings replace the policy as a whole: one without tls falls back to automatic mutual TLS.
            return dict(item.get("tls") or {})
    return dict(policy.get("tls") or {})


def _is_meshed(item: Endpoint) -> bool:
    return item.pod is not None and item.pod.tls_mode == "istio"
