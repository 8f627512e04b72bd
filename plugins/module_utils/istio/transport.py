# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a sidecar speaks to the endpoints of a destination, and whether they take it: plaintext or mutual TLS, pod by pod.

Source: istio/istio pilot/pkg/networking/core/cluster_tls.go and pilot/pkg/model/push_context.go (automatic mutual TLS;
clusters that keep the original destination use it only when every pod has a sidecar).
"""

from __future__ import annotations

from collections.abc import Iterable

from ..core.model import Leg, Outcome, Verdict, replace
from ..istio.endpoints import Endpoint
from ..kube.objects import Obj, labels_of, name_of, namespace_of
from .ambient import WHY as AMBIENT
from .ambient import pod_is_ambient
from .authentication import effective_mode, namespace_mode
from .destination_rules import Policy, destination_rule, policy_of
from .mesh import is_discovered, read_mesh
from .visibility import Visibility


class Transport:
    """How one viewer's sidecar speaks to endpoints, and whether they take it."""

    def __init__(self, visibility: Visibility) -> None:
        self.visibility = visibility
        self.snapshot = visibility.snapshot

    def destination_rule(self, host: str, home: str) -> Obj | None:
        """The DestinationRule that holds for a host of namespace ``home``."""
        return destination_rule(self.visibility, host, home)

    def to_endpoints(
        self, host: str, home: str, port: int, found: tuple[Endpoint, ...], *, together: tuple[Endpoint, ...] | None = None,
        subset: str = "", names: Iterable[str] = (),
    ) -> Outcome:
        """Verdict for a registry destination: what the DestinationRule or automatic mutual TLS sends, and who takes it.

        ``together``: the cluster keeps the original destination, so that one setting decides for all of these, and no others' identities
        are accepted. ``names`` are identities that are accepted where no rule names any; none means all.
        """
        cluster = f"outbound|{port}|{subset}|{host}"
        rule = self.destination_rule(host, home)
        policy = policy_of(rule, port, subset)
        if not policy.known:
            return Outcome("refused", f"no DestinationRule has a subset {subset} of {host}, so the sidecar answers 503", cluster)
        found = _labelled(found, policy)
        if not found:
            return Outcome("unknown", f"no pods are known behind {host}" + (f", subset {subset}" if subset else ""), cluster)
        if any(pod_is_ambient(self.snapshot, item.pod) for item in found):
            return Outcome("unknown", f"{host} has pods {AMBIENT}", cluster)
        if together is not None or policy.original:
            names = names if together is None else (name for name in map(self._identity, together) if name)
            together = _labelled(found if together is None else together, policy)
        return self._sent(policy, rule, home, found, together, cluster, tuple(names))

    def _sent(
        self, policy: Policy, rule: Obj | None, home: str, found: tuple[Endpoint, ...], together: tuple[Endpoint, ...] | None, cluster: str,
        names: tuple[str, ...],
    ) -> Outcome:
        tls, where = policy.cluster, f"DestinationRule {namespace_of(rule)}/{name_of(rule)}" if rule else ""
        mode = str(tls.get("mode") or ("DISABLE" if tls else ""))
        if mode in ("SIMPLE", "MUTUAL"):
            return Outcome("unknown", f"{where} sets TLS mode {mode}, which is not the mesh's mutual TLS", cluster)
        if mode == "DISABLE":
            return self.received(found, dict.fromkeys(found, False), f"{where} disables TLS", cluster)
        if mode == "ISTIO_MUTUAL":
            accepted = tuple(tls.get("subjectAltNames") or names)
            return self._mutual(accepted, f"{where} sets ISTIO_MUTUAL", where, found, cluster)
        sends, how = self.automatic(home, found, together), "automatic mutual TLS"
        if together is None and policy.endpoints and self._is_automatic(home):
            # The cluster chooses by the endpoint, and endpoints are marked by the rule as a whole, whatever its ports say.
            how = f"{where} sets TLS mode {policy.endpoints} for the endpoints"
            sends = {item: policy.endpoints == "ISTIO_MUTUAL" and _is_meshed(item) for item in found}
        if together is not None and all(sends.values()):
            return self._mutual(names, how, how, found, cluster)
        return self.received(found, sends, how, cluster)

    def _mutual(self, accepted: tuple[str, ...], how: str, who: str, found: tuple[Endpoint, ...], cluster: str) -> Outcome:
        """The mesh's mutual TLS to all of these, perhaps with some identities only."""
        known = ((item, self._identity(item)) for item in found if accepted)
        wrong = {item: identity for item, identity in known if identity and identity not in accepted}
        outcome = self.received(found, dict.fromkeys(found, True), how, cluster)
        if not wrong:
            return outcome
        why = f"{who} does not accept the identity {next(iter(wrong.values()))}"
        fitting = tuple(item for item in found if item not in wrong)
        if not fitting:
            return Outcome("refused", why, cluster)
        taken = self.received(fitting, dict.fromkeys(fitting, True), "", cluster)
        verdict: Verdict = "refused" if taken.verdict == "refused" else "mixed"
        return replace(outcome, verdict=verdict, why=f"{why} of {len(wrong)} of {len(found)} pods", legs=taken.legs)

    def automatic(
        self, home: str, found: tuple[Endpoint, ...], together: tuple[Endpoint, ...] | None
    ) -> dict[Endpoint, bool]:
        """For each endpoint: does automatic mutual TLS encrypt to it?"""
        if not self._is_automatic(home):
            return dict.fromkeys(found, False)
        if together is not None:
            return dict.fromkeys(found, bool(together) and all(map(_is_meshed, together)))
        return {item: _is_meshed(item) and self._mode(item) != "DISABLE" for item in found}

    def _is_automatic(self, home: str) -> bool:
        return read_mesh(self.snapshot, self.visibility.viewer.revision).auto_mtls and namespace_mode(self.snapshot, home) != "DISABLE"

    def received(self, found: tuple[Endpoint, ...], sends: dict[Endpoint, bool], how: str, cluster: str) -> Outcome:
        """Join what is sent (mutual TLS or plaintext per endpoint) with what each endpoint accepts."""
        verdicts = {item: self._accepts(item, sends[item]) for item in found}
        legs = tuple(Leg(item, verdict, cluster) for item, verdict in verdicts.items())
        kinds_seen = sorted(set(verdicts.values()))
        if len(kinds_seen) == 1:
            return Outcome(kinds_seen[0], self._sentence(kinds_seen[0], found[0], sends[found[0]], how), cluster, legs=legs)
        counts = ", ".join(f"{list(verdicts.values()).count(kind)} {kind}" for kind in kinds_seen)
        return Outcome("mixed", f"the pods behind this route differ ({counts}): {how}", cluster, legs=legs)

    def _accepts(self, endpoint: Endpoint, mutual: bool) -> Verdict:
        captured, ambient = endpoint.pod is not None and endpoint.pod.captures(endpoint.port), pod_is_ambient(self.snapshot, endpoint.pod)
        undiscovered = captured and endpoint.pod is not None and not is_discovered(self.snapshot, endpoint.pod.namespace)
        if mutual and (ambient or undiscovered):
            return "unknown"
        if mutual:
            return "mutual_tls" if captured and self._mode(endpoint) != "DISABLE" else "refused"
        return "refused" if (captured or ambient) and self._mode(endpoint) == "STRICT" else "plaintext"

    def _mode(self, endpoint: Endpoint) -> str:
        return effective_mode(self.snapshot, endpoint.pod.pod, endpoint.port) if endpoint.pod else "DISABLE"

    def _sentence(self, verdict: Verdict, endpoint: Endpoint, mutual: bool, how: str) -> str:
        pod = endpoint.pod
        if pod_is_ambient(self.snapshot, pod):
            return f"{how}, and ztunnel {'refuses' if verdict == 'refused' else 'takes'} that for the backend, which is in ambient mode"
        if verdict == "unknown" and pod is not None:
            return f"{how}, but discoverySelectors leave namespace {pod.namespace} out, so whether sidecars work there is not known"
        past = f" on port {endpoint.port}" if pod is not None and pod.sidecar and not pod.captures(endpoint.port) else ""
        if verdict == "mutual_tls":
            return how
        if verdict == "refused":
            return f"{how}, but the backend has no sidecar{past} to take it" if mutual else f"{how}, and the backend is STRICT"
        if past or pod is None or not pod.sidecar:
            return f"{how}; the backend has no sidecar{past}"
        return f"{how}, and the backend still accepts plaintext ({self._mode(endpoint)})"

    def _identity(self, item: Endpoint) -> str:
        """The identity of an endpoint's pod, empty where no pod is known."""
        return item.pod.spiffe(read_mesh(self.snapshot, self.visibility.viewer.revision).trust_domain) if item.pod else ""


def _labelled(found: tuple[Endpoint, ...], policy: Policy) -> tuple[Endpoint, ...]:
    """The endpoints that a subset has; all where none is named."""
    wanted = dict(policy.labels)
    return tuple(item for item in found if not wanted or (item.pod and wanted.items() <= labels_of(item.pod.pod).items()))


def _is_meshed(item: Endpoint) -> bool:
    return item.pod is not None and item.registered and item.pod.tls_mode == "istio"
