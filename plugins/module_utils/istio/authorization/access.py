# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a backend's policies admit a route's requests: the one answer that plans, findings and proofs go by.

Whoever is asked about is a sender with its identity, as the transport of the requests makes it known: by mutual TLS the backend sees one,
in plaintext it sees none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ...core.model import Access, Decision, Leg, LoadBalancer, Outcome, Route, replace
from ...core.printable import listed
from ...kube import kinds
from ...kube.objects import Obj, dig, labels_of, name_of, namespace_of, pod_template, ref_of
from ...kube.pods import workload_pods
from ...kube.snapshot import Snapshot
from ..ambient import pod_is_ambient
from ..endpoints import Endpoint, PodView
from ..envoy_filters import INBOUND, OUTBOUND, changing_answers
from ..inbound import leads_to_http, reads_http
from ..mesh import read_mesh
from .answers import INVALID_TOKEN, NO_TOKEN, Answer, Incoming, Sample, answer, asked_of, holds
from .matching import PREFIX
from .policies import AccessPolicy, Policies, any_policies, policies_in_front, policies_of_ambient
from .requests import RouteScope, is_ruled_out, samples_for
from .rules import HTTP_ONLY, OF_ADDRESS, as_enforced

NOT_REACHED = Access("unknown", "no request is known to reach the backend", reason="not_reached")
_NO_POLICY = Access("allowed", "the mesh has no policy that could keep anybody out", reason="no_policy")
_LEAST: tuple[Decision, ...] = ("denied", "unknown", "conditional", "allowed")


@dataclass(frozen=True)
class Sender:
    """Who sends: the identity by which the mesh knows it (``None`` where that is not known), and its possible addresses."""

    identity: str | None
    addresses: tuple[str, ...] = ()


def access_of(snapshot: Snapshot, load_balancer: LoadBalancer, route: Route, outcome: Outcome) -> Access:
    """Whether a route's requests are admitted where they arrive as ``outcome`` says."""
    if outcome.misrouted_to:
        return Access("unknown", f"its requests reach Service {outcome.misrouted_to}", reason="not_reached")
    if outcome.verdict == "unknown" or not outcome.legs:
        return NOT_REACHED
    if not any_policies(snapshot) and not snapshot.count(kinds.ENVOY_FILTER) and not why_unread(snapshot, route.backend.namespace):
        # In most clusters there is none, and all routes are asked about again and again.
        reached = any(leg.verdict in ("mutual_tls", "plaintext") for leg in outcome.legs)
        return _NO_POLICY if reached else NOT_REACHED
    http = route.upstream.scheme == "http"
    found = _answering(snapshot, load_balancer, outcome) if http and load_balancer.sidecar.present else None
    if found is not None:
        return Access("unknown", f"{ref_of(found)} gives the load balancer's sidecar filters that may answer", reason="filter")
    asked = RouteScope(route.upstream.host or route.host, route.path, route.path_type, route.rewrites_path, http, route.beside)
    return access_by_legs(snapshot, sender_of(snapshot, load_balancer), asked, outcome.legs)


def _answering(snapshot: Snapshot, load_balancer: LoadBalancer, outcome: Outcome) -> Obj | None:
    """The EnvoyFilter whose filters may answer a route's requests on their way out."""
    ports = {leg.endpoint.port for leg in outcome.legs}
    ports |= {int(part) for leg in outcome.legs for part in leg.cluster.split("|")[1:2] if part.isdecimal()}
    where = (load_balancer.namespace, dict(load_balancer.pod_labels), OUTBOUND)
    return changing_answers(snapshot, *where, ports=ports, revision=load_balancer.revision)


def sender_of(snapshot: Snapshot, load_balancer: LoadBalancer) -> Sender:
    """A load balancer as a sender."""
    workload = snapshot.at(load_balancer.workload)
    if workload is None:
        return Sender(None)
    pods = workload_pods(snapshot, workload)
    addresses = sorted({str(dig(pod, "status", "podIP", default="")) for pod in pods} - {""})
    account = str(dig(pod_template(workload), "spec", "serviceAccountName", default="default"))
    return Sender(spiffe_of(snapshot, namespace_of(workload), account), tuple(addresses))


def spiffe_of(snapshot: Snapshot, namespace: str, account: str) -> str:
    """The identity of a service account."""
    return f"{PREFIX}{read_mesh(snapshot).trust_domain}/ns/{namespace}/sa/{account}"


def access_by_legs(snapshot: Snapshot, sender: Sender, asked: RouteScope, legs: Iterable[Leg]) -> Access:
    """The least that is granted at one of the endpoints that are reached."""
    reached = [leg for leg in legs if leg.verdict in ("mutual_tls", "plaintext")]
    found = [_at_endpoint(snapshot, sender, asked, leg) for leg in reached]
    return least(found) if found else NOT_REACHED


def least(found: Iterable[Access]) -> Access:
    """The least of several, with all policies that take part in it; the first where they are alike."""
    all_of_them = list(found)
    first = min(all_of_them, key=lambda item: _LEAST.index(item.decision))
    alike = [item for item in all_of_them if item.decision == first.decision]
    policies = tuple(sorted({label for item in alike for label in item.policies}))
    return replace(first, policies=policies, as_tcp=tuple(sorted({label for item in all_of_them for label in item.as_tcp})))


def _at_endpoint(snapshot: Snapshot, sender: Sender, asked: RouteScope, leg: Leg) -> Access:
    endpoint: Endpoint = leg.endpoint
    mutual, pod = leg.verdict == "mutual_tls", endpoint.pod
    seen = (sender.identity or "").removeprefix(PREFIX) if mutual else ""
    if pod is None or not pod.captures(endpoint.port):
        ambient = ambient_policies(snapshot, pod)
        if ambient:
            labels = tuple(f"{namespace_of(item)}/{name_of(item)}" for item in ambient)
            return Access("unknown", "the backend is in ambient mode, whose policies are not followed", labels, "ambient")
        return Access("allowed", "no sidecar in front of the backend enforces policies", reason="no_policy")
    unread = why_unread(snapshot, pod.namespace)
    if unread:
        return Access("unknown", unread, reason="unread", identity=seen)
    found = changing_answers(snapshot, pod.namespace, labels_of(pod.pod), INBOUND, ports={endpoint.port}) if asked.http else None
    if found is not None:
        return Access("unknown", f"{ref_of(found)} gives the backend's sidecar filters that may answer", reason="filter", identity=seen)
    policies = policies_in_front(snapshot, pod.namespace, labels_of(pod.pod))
    sent_as_http = asked.http and (leads_to_http(snapshot, leg.cluster) if mutual else True)
    # Pods differ in little that policies ask for, so that most of them are one question.
    asked_for = _attributes(policies)
    connection = Incoming(
        sender.identity if mutual else "", sender.addresses if OF_ADDRESS & asked_for else (), endpoint.port,
        endpoint.ip if "destination_ip" in asked_for else "", _server_name(leg.cluster) if mutual and "sni" in asked_for else "",
        policies.none or reads_http(snapshot, endpoint, sent_as_http=sent_as_http),
    )
    return replace(decide(policies, connection, asked), identity=seen)


def ambient_policies(snapshot: Snapshot, pod: PodView | None) -> tuple[Obj, ...]:
    """The policies of a backend in ambient mode; none where it is not, or where there are none."""
    if not any_policies(snapshot) or not pod_is_ambient(snapshot, pod) or pod is None:
        return ()
    return policies_of_ambient(snapshot, pod.namespace, labels_of(pod.pod))


@lru_cache(maxsize=1024)
def _attributes(policies: Policies) -> frozenset[str]:
    """What policies ask for."""
    return frozenset(item.attribute for _policy, rule in asked_of(policies) for item in rule.conditions())


def _server_name(cluster: str) -> str | None:
    """The server name that Istio's sidecars send for a cluster."""
    parts = cluster.split("|")
    return f"outbound_.{parts[1]}_.{parts[2]}_.{parts[3]}" if len(parts) == 4 and parts[0] == "outbound" else None


def why_unread(snapshot: Snapshot, namespace: str) -> str:
    """Why nobody knows which policies hold in a namespace; empty where all could be read."""
    source = snapshot.source
    kind = next((kind for kind in kinds.ACCESS if not snapshot.readable(kind)), "")
    if kind:
        return f"{kind} cannot be read, and it decides who is admitted"
    homes = (namespace, read_mesh(snapshot).root_namespace, "") if source.unreadable else ()
    found = next((item for key, item in source.unreadable.items() if key[0] in kinds.ACCESS and key[1] in homes), None)
    return f"{found.ref} could not be read as a whole, and it may decide who is admitted" if found else ""


def enforced(policies: Policies, *, http: bool) -> Policies:
    """Policies with the rules that a proxy is given for HTTP or for TCP."""
    def given(found: tuple[AccessPolicy, ...], allows: bool) -> tuple[AccessPolicy, ...]:
        kept = ((item, [as_enforced(rule, allows=allows, http=http) for rule in item.rules]) for item in found)
        return tuple(replace(item, rules=tuple(rule for rule in rules if rule is not None)) for item, rules in kept)

    return Policies(given(policies.custom, False), given(policies.deny, False), given(policies.allow, True), policies.tokens)


def about_http(policies: Policies) -> tuple[str, ...]:
    """The policies that say something about HTTP, and mean something else where a port is handled as TCP."""
    found = {policy.label for policy, rule in asked_of(policies) if any(item.attribute in HTTP_ONLY for item in rule.conditions())}
    return tuple(sorted({*found, *policies.tokens.labels}))


def about_addresses(snapshot: Snapshot, legs: Iterable[Leg]) -> tuple[str, ...]:
    """The policies in front of these endpoints that go by the sender's or the client's address."""
    found = set()
    for leg in legs:
        pod = leg.endpoint.pod
        if pod is None or not pod.captures(leg.endpoint.port):
            continue
        for policy, rule in asked_of(policies_in_front(snapshot, pod.namespace, labels_of(pod.pod))):
            if any(item.attribute in OF_ADDRESS for item in rule.conditions()):
                found.add(policy.label)
    return tuple(sorted(found))


def http_policies(snapshot: Snapshot, endpoints: Iterable[Endpoint]) -> tuple[str, ...]:
    """The policies about HTTP in front of endpoints whose ports may be handled as HTTP."""
    found: set[str] = set()
    for item in endpoints if any_policies(snapshot) else ():
        if item.pod is not None and item.pod.captures(item.port) and reads_http(snapshot, item, sent_as_http=True):
            found.update(about_http(policies_in_front(snapshot, item.pod.namespace, labels_of(item.pod.pod))))
    return tuple(sorted(found))


@lru_cache(maxsize=2048)
def _met(policies: Policies, connection: Incoming) -> Policies:
    """Policies with the rules that a connection may meet; a policy without any still allows nothing."""
    def left(found: tuple[AccessPolicy, ...]) -> tuple[AccessPolicy, ...]:
        return tuple(replace(item, rules=tuple(rule for rule in item.rules if not is_ruled_out(item, rule, connection))) for item in found)

    given = enforced(policies, http=connection.http)
    return replace(given, custom=left(given.custom), deny=left(given.deny), allow=left(given.allow))


@lru_cache(maxsize=8192)
def decide(policies: Policies, connection: Incoming, asked: RouteScope) -> Access:
    """Whether the requests of a route are admitted on a connection."""
    if policies.none:
        return Access("allowed", "no policy of the mesh holds for the backend", reason="no_policy")
    given = _met(policies, connection)
    requests = samples_for(given, connection, asked)
    as_tcp = () if connection.http else about_http(policies)
    size = sum(len(item.values) + len(item.others) for _policy, rule in asked_of(given) for item in rule.conditions())
    if requests.too_many(size):
        return Access("unknown", "its policies tell more requests apart than are tried", reason="not_known", as_tcp=as_tcp)
    seen: dict[str, tuple[Answer, Sample]] = {}
    closest: tuple[Sample, Sample] | None = None
    for request in requests:
        found = answer(given, connection, request)
        seen.setdefault(found.decision, (found, request))
        if found.decision in ("allowed", "denied"):
            other = seen.get("denied" if found.decision == "allowed" else "allowed")
            if other is not None and (closest is None or len(_differences(other[1], request)) < len(_differences(*closest))):
                closest = (other[1], request)
                if len(_differences(*closest)) == 1:
                    break
    return replace(_told(given, connection, seen, closest), as_tcp=as_tcp)


def _told(
    policies: Policies, connection: Incoming, seen: dict[str, tuple[Answer, Sample]], closest: tuple[Sample, Sample] | None
) -> Access:
    if closest is not None:
        denied, admitted = seen["denied"][0], seen["allowed"][0]
        by = tuple(sorted({*denied.policies, *admitted.policies}))
        return Access("conditional", _why_conditional(connection, policies, closest), by, denied.reason)
    decision = next(item for item in ("unknown", "denied", "allowed") if item in seen)
    found = seen[decision][0]
    return Access(found.decision, _why(found, policies, connection), found.policies, found.reason)


def _why(found: Answer, policies: Policies, connection: Incoming) -> str:
    named, who = _named(found), _who(connection)
    if found.reason == "no_policy":
        return "no policy of the backend keeps anybody out"
    if found.reason == "admitted":
        return f"{named} admits {who}"
    if found.reason == "not_admitted":
        return f"{named} does not admit {who}"
    if found.reason == "rule":
        return f"{named} denies requests of {who}"
    if found.reason == "custom":
        return f"{named} asks a service of its own (action CUSTOM)"
    return f"{named} depends on {_unknown_of(policies, found.policies, connection)}, which is not known"


def _who(connection: Incoming) -> str:
    if connection.identity is None:
        return "the load balancer, whose identity is not known"
    return connection.identity.removeprefix(PREFIX) or "a sender without an identity"


def _unknown_of(policies: Policies, labels: tuple[str, ...], connection: Incoming) -> str:
    """What keeps a policy's answer from being known."""
    nothing = Sample(None, None)
    found = {
        item.told() for policy, rule in asked_of(policies) if policy.label in labels for item in rule.conditions()
        if holds(item, policy.namespace, connection, nothing) is None
    }
    return listed(sorted(found) or ["what the load balancer sends"], 3)


def _why_conditional(connection: Incoming, policies: Policies, pair: tuple[Sample, Sample]) -> str:
    answers = {answer(policies, connection, item).decision: item for item in pair}
    denied, admitted = answers["denied"], answers["allowed"]
    names = _differences(denied, admitted)
    by = _named(answer(policies, connection, denied))
    denies = "denies" if "," not in by else "deny"
    told = listed([f"{name} {_shown(denied, name)} and not {_shown(admitted, name)}" for name in names], 3, "; ")
    return f"it depends on the {listed([_worded(name) for name in names], 3)}: {by} {denies} {told}"


def _named(found: Answer) -> str:
    """The policies that decide, by their kind: only tokens are a RequestAuthentication's."""
    kind = "RequestAuthentication" if found.reason == "token" else "AuthorizationPolicy"
    return listed([f"{kind} {label}" for label in found.policies], 3)


def _worded(name: str) -> str:
    return "client's address (header X-Forwarded-For)" if name == "client" else name


def _differences(one: Sample, other: Sample) -> list[str]:
    """In what two requests differ, in the words of a finding."""
    pairs = [(name, getattr(one, name), getattr(other, name)) for name in ("path", "host", "method", "client", "token")]
    pairs += [(f"header {name}", value, dict(other.headers).get(name)) for name, value in one.headers]
    return [name for name, mine, its in pairs if mine != its]


def _shown(request: Sample, name: str) -> str:
    if name.startswith("header "):
        value = dict(request.headers).get(name[len("header ") :])
        return "none" if value is None else repr(value)
    found = getattr(request, name)
    if name == "token":
        words = {NO_TOKEN: "none", INVALID_TOKEN: "an invalid one"}
        return words[found] if isinstance(found, str) else "a valid one"
    return str(found)
