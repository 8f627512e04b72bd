# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pods of load balancers, and what each of them does with a request: its sidecar's doing, or its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..core.errors import MeshlbError
from ..core.model import Proof, Verdict
from ..core.printable import clipped
from ..istio.endpoints import PodView
from .asking import ODD, Asker, Key
from .configuration import Evaluation, evaluate, judge_plain, others, proofs
from .counters import Certificate
from .proxy import EnvoyEndpoint, Proxy, ProxyDataError, guarded
from .servers import ServerLookup
from .trace import Dialed


@dataclass(frozen=True)
class Carrier:
    """One pod of a load balancer; ``proxy`` is ``None`` where it has no sidecar."""

    pod: PodView
    proxy: Proxy | None = None

    @property
    def key(self) -> Key:
        return (self.pod.namespace, self.pod.name)

    @property
    def source(self) -> str:
        return f"{'sidecar of' if self.proxy else 'pod'} {self.pod.namespace}/{self.pod.name}"

    def evaluate(self, dialed: Dialed, servers: ServerLookup) -> Evaluation:
        """What becomes of a request that this pod sends."""
        if self.proxy is None:
            return direct(dialed, servers, "the pod has no sidecar")
        taken, why = self.pod.interception.takes_outbound(dialed.ip, dialed.port)
        if not taken:
            return direct(dialed, servers, f"the sidecar does not see it ({why})")
        try:
            with guarded(f"The configuration of the {self.source}"):
                return evaluate(self.proxy, dialed, servers)
        except ProxyDataError as error:
            return Evaluation(dialed, "unknown", str(error), odd=True)


def direct(dialed: Dialed, servers: ServerLookup, why: str) -> Evaluation:
    """A request that no sidecar touches: as plain as the load balancer itself sends it."""
    if dialed.scheme in ("tls", "mutual_tls"):
        return Evaluation(dialed, "unknown", f"{why}, and whether the load balancer's own TLS is mutual is not visible")
    judged = replace(judge_plain(EnvoyEndpoint(dialed.ip, dialed.port), servers), http=dialed.scheme == "http")
    verdict: Verdict = judged.verdict
    how = f"{why}, so it goes out in plaintext" + (", which is refused there" if verdict == "refused" else "")
    return Evaluation(dialed, verdict, how, (judged,))


@dataclass(frozen=True)
class Group:
    """All pods of one load balancer. ``failures`` are of sidecars that could not be asked; ``why`` says why there is no pod.

    ``odd`` holds what is wrong with the answers of those that answer, but not as sidecars do.
    """

    carriers: tuple[Carrier, ...] = ()
    certificates: Mapping[Key, Certificate] | None = None
    failures: tuple[str, ...] = ()
    why: str = ""
    odd: Mapping[Key, str] = field(default_factory=dict)

    @property
    def sidecars(self) -> tuple[Key, ...]:
        return tuple(item.key for item in self.carriers if item.proxy is not None)

    def evidence(self, evaluations: Mapping[Key, list[Evaluation]]) -> list[Proof]:
        """Sentences for one route; pods that do the same are named together."""
        alike: dict[tuple[tuple[str, str], ...], list[Carrier]] = {}
        for item in self.carriers:
            alike.setdefault(tuple(sorted(one.alike for one in evaluations[item.key])), []).append(item)
        found: list[Proof] = []
        for same in alike.values():
            more = others(len(same) - 1, "pod")
            found += proofs(evaluations[same[0].key], same[0].source + more)
            certificate = (self.certificates or {}).get(same[0].key)
            if certificate is not None:
                fact = f"presents {clipped(certificate.identity)}, valid until {clipped(certificate.expires)}"
                found.append(Proof("configuration", same[0].source + more, fact))
        found += [Proof("configuration", "run", failure) for failure in self.failures]
        return list(dict.fromkeys(found))


class Carriers:
    """The groups of several load balancers."""

    def __init__(self, groups: Mapping[tuple[str, str], Group]) -> None:
        self._groups = groups

    def of(self, load_balancer: tuple[str, str]) -> Group:
        return self._groups.get(load_balancer, Group(why="the load balancer is not among those that were found"))

    @property
    def odd(self) -> dict[Key, str]:
        """What is wrong with the answers of sidecars that answer as no sidecar does."""
        return {key: problem for group in self._groups.values() for key, problem in group.odd.items()}

    @property
    def proxies(self) -> dict[Key, Proxy]:
        return {item.key: item.proxy for group in self._groups.values() for item in group.carriers if item.proxy is not None}


def carriers_of(pods: Mapping[Key, Sequence[PodView]], asker: Asker) -> Carriers:
    """Read the configuration and the certificate of each sidecar of load balancers, whose pods these are."""
    wanted = sorted({(pod.namespace, pod.name) for group in pods.values() for pod in group if pod.sidecar})
    configurations, certificates = asker.configurations(wanted), asker.certificates(wanted)
    known = {key: item for key, item in certificates.items() if isinstance(item, Certificate)}
    return Carriers({key: _group(group, configurations, known) for key, group in pods.items()})


def _group(
    pods: Sequence[PodView], configurations: Mapping[Key, Proxy | MeshlbError], certificates: Mapping[Key, Certificate]
) -> Group:
    if not pods:
        return Group(why="no running pod of the load balancer is known, so there is no sidecar to ask")
    carriers, failures = [], []
    odd: dict[Key, str] = {}
    for pod in sorted(pods, key=lambda item: item.name):
        answer = configurations.get((pod.namespace, pod.name)) if pod.sidecar else None
        if isinstance(answer, MeshlbError):
            failures.append(f"the sidecar of {pod.namespace}/{pod.name} could not be asked: {answer}")
            if isinstance(answer, ODD):
                odd[(pod.namespace, pod.name)] = str(answer)
        else:
            carriers.append(Carrier(pod, answer))
    return Group(tuple(carriers), certificates, tuple(failures), odd=odd)
