# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests through a load balancer, and what they show: the verdict is what the application saw, never a status alone."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from .cluster import Cluster

TOGETHER = 8
REQUESTS = 4
REFUSED = (502, 503, 504)


@dataclass(frozen=True)
class Target:
    """What is asked for: a Host and a path, and how."""

    host: str
    path: str = "/"
    method: str = "GET"


@dataclass(frozen=True)
class Answer:
    """What came back; the rest is empty where it was not the application that answered."""

    status: int
    pod: str = ""
    app: str = ""
    host: str = ""
    path: str = ""
    identity: str = ""
    port: str = ""
    error: str = ""
    """Why there was no answer: the name of Python's exception."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Entry:
    """A load balancer from outside: where it listens, and who it is in the mesh."""

    address: str
    port: int
    identity: str


def entry_of(cluster: Cluster, namespace: str, workload: str, service: str, trust_domain: str = "cluster.local") -> Entry:
    """The Service of a load balancer, and the identity of the workload behind it (a Deployment or a DaemonSet)."""
    found = cluster.get("service", service, "--namespace", namespace)
    (behind,) = cluster.items("deployments.apps,daemonsets.apps", "--namespace", namespace, f"--field-selector=metadata.name={workload}")
    account = behind["spec"]["template"]["spec"].get("serviceAccountName", "default")
    port = next(item["port"] for item in found["spec"]["ports"] if item["name"].partition("-")[0] == "http")
    return Entry(found["spec"]["clusterIP"], int(port), f"spiffe://{trust_domain}/ns/{namespace}/sa/{account}")


def connect(entry: Entry, timeout: float = 10) -> http.client.HTTPConnection:
    """A connection to a load balancer, which is opened with its first request."""
    return http.client.HTTPConnection(entry.address, entry.port, timeout=timeout)


def ask(entry: Entry, target: Target, timeout: float = 10, headers: Mapping[str, str] | None = None) -> Answer:
    """One request on a connection of its own."""
    connection = connect(entry, timeout)
    try:
        return exchange(connection, target, Connection="close", **(headers or {}))
    except (OSError, http.client.HTTPException) as error:
        return unanswered(error)
    finally:
        connection.close()


def unanswered(error: Exception) -> Answer:
    """What is known of a request without an answer."""
    return Answer(0, error=type(error).__name__)


def exchange(connection: http.client.HTTPConnection, target: Target, **headers: str) -> Answer:
    """One request on this connection, and its answer; raises what http.client raises where there is none."""
    connection.request(target.method, target.path, b"x" if target.method == "POST" else None, headers={"Host": target.host, **headers})
    response = connection.getresponse()
    text = response.read()
    try:
        seen: Any = json.loads(text)
    except ValueError:
        return Answer(response.status)
    if not isinstance(seen, dict) or "app" not in seen:
        return Answer(response.status)
    fields = {name: str(seen.get(name, "")) for name in ("pod", "app", "host", "path", "identity", "port")}
    return Answer(response.status, **fields)


def ask_all(entry: Entry, targets: Sequence[Target], requests: int = REQUESTS) -> dict[Target, list[Answer]]:
    """Several requests for every target, some at a time."""
    work = [target for target in targets for _number in range(requests)]
    with ThreadPoolExecutor(TOGETHER) as pool:
        answers = list(pool.map(lambda target: ask(entry, target), work))
    found: dict[Target, list[Answer]] = {target: [] for target in targets}
    for target, answer in zip(work, answers, strict=True):
        found[target].append(answer)
    return found


def measured(answers: Iterable[Answer], identity: str) -> str:
    """The verdict that answers show."""
    seen = {_one(answer, identity) for answer in answers}
    if len(seen) == 1:
        return seen.pop()
    return "mixed" if seen and seen <= {"mutual_tls", "plaintext", "refused"} else f"odd: {', '.join(sorted(seen))}"


def _one(answer: Answer, identity: str) -> str:
    if answer.status == 200 and answer.app:
        if not answer.identity:
            return "plaintext"
        return "mutual_tls" if answer.identity == identity else f"identity {answer.identity}"
    return "refused" if answer.status in REFUSED else f"status {answer.status}"


def settle(
    look: Callable[[], Mapping[Any, str]], expected: Mapping[Any, str], patience: float = 75, in_a_row: int = 3, pause: float = 0.7
) -> Mapping[Any, str]:
    """Look until what is seen is what is expected, several times in a row, or until patience ends; gives what was seen last.

    Proxies learn of changes within seconds. Once in a row would also be met in passing, on the way to something else.
    """
    end, agreed = time.monotonic() + patience, 0
    while True:
        seen = look()
        agreed = agreed + 1 if all(seen.get(key) == value for key, value in expected.items()) else 0
        if agreed >= in_a_row or time.monotonic() > end:
            return seen
        time.sleep(pause)
