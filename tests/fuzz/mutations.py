# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to an honest cluster: a few values in it become hostile, odd, or go."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

Obj = dict[str, Any]
Place = tuple[Any, Any]
"""A map or a list, and the key or position in it."""
MARKS = (
    "meshlb.istio/replaced", "meshlb.istio/ignore", "meshlb.istio/strategy", "meshlb.istio/applied", "meshlb.istio/load-balancers",
    "meshlb.istio/routes-in", "getambassador.io/config", "nginx.ingress.kubernetes.io/canary-weight",
    "nginx.ingress.kubernetes.io/upstream-vhost", "traefik.ingress.kubernetes.io/router.middlewares", "cloud.google.com/neg",
    "networking.istio.io/exportTo", "haproxy.org/server-ssl", "traffic.sidecar.istio.io/excludeOutboundPorts",
    "traffic.sidecar.istio.io/includeOutboundIPRanges", "ngrok.com/app-protocols", "cloud.google.com/backend-config",
    "konghq.com/strip-path", "ingress.kubernetes.io/path-type", "proxy.istio.io/config",
)
VALUES = (
    None, "", "x", "//", "{", "[[", "true", "TRUE", "nan", "80", "http", "80/tcp", "*", "a..b", "../../x", "a\x00b", "\u202e", "\ud800",
    "{{ .Values.x }}", "https://[::1", "Host(`a`)", "Host(`a`)||" * 40 + "Host(`b`)", "(" * 3000,
    "&&".join(f"(Host(`a{n}`)||PathPrefix(`/b{n}`))" for n in range(24)), "x" * 50000, "$host", "service.ns.svc.cluster.local",
    "[" * 900, "{\"/spec\": {\"part\": \"service_routing\", \"was\": 1}}",
    "apiVersion: getambassador.io/v3alpha1\nkind: Mapping\nname: m\nprefix: /x/\nservice: [web]\n", 0, -1, 1, 80, 65536, 10**30, 3.5,
    float("inf"), True, False, [], {}, [None], [[]], [{}], ["x"], [5], [True], {"a": None}, {"a": "b"}, {"": {}}, {"name": 5},
    {"name": "web"}, [{"name": "web", "port": "x"}],
)


def places(node: Any) -> Iterator[Place]:
    """Every place of a value inside of another one."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        pairs = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
        for key, value in list(pairs):
            yield item, key
            waiting.append(value)


def deep(levels: int, inner: Any) -> Any:
    """A value inside of very many lists."""
    for _level in range(levels):
        inner = [inner]
    return inner


def mutated(rng: Random, objects: tuple[Obj, ...]) -> tuple[list[Obj], list[str]]:
    """A copy with one to four places changed, and what was done, in words."""
    made, done = copy.deepcopy(list(objects)), []
    for _step in range(rng.choice((1, 1, 1, 2, 3, 4))):
        obj = rng.choice(made)
        done.append(f"{obj.get('kind')} {_change(rng, made, obj)}")
    return made, done


def _change(rng: Random, made: list[Obj], obj: Obj) -> str:
    if rng.random() < 0.15:
        key, value = rng.choice(MARKS), rng.choice([item for item in VALUES if isinstance(item, str)])
        metadata = obj.get("metadata")
        if isinstance(metadata, dict):
            annotations = metadata.setdefault("annotations", {})
            if isinstance(annotations, dict):
                annotations[key] = value
        return f"{key}: {value!r:.60}"
    holder, key = rng.choice(list(places(obj)) or [(obj, "spec")])
    way = rng.randrange(8)
    if way == 0:
        del holder[key]
        return f"without {key!r:.60}"
    if way == 1 and isinstance(holder, dict):
        holder[str(key)[:-1] + rng.choice("sx")] = holder.pop(key)
        return f"{key!r:.60} renamed"
    if way == 2 and isinstance(holder.get(key) if isinstance(holder, dict) else holder[key], list):
        holder[key] = holder[key] * rng.choice((2, 50))
        return f"{key!r:.60} repeated"
    if way == 3:
        holder[key] = deep(rng.choice((5, 50, 200)), holder[key])
        return f"{key!r:.60} nested"
    if way == 4 and rng.random() < 0.3:
        made.append(copy.deepcopy(obj))
        return "twice"
    holder[key] = copy.deepcopy(rng.choice(VALUES))
    return f"{key!r:.60} = {holder[key]!r:.60}"
