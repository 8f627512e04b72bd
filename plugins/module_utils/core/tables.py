# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables for people, out of the results that modules return. Pure text; nothing is wrapped or coloured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .printable import one_line

Result = Mapping[str, Any]

_NOTHING = "-"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table whose columns are as wide as their widest cell; no line ends in blanks."""
    body = [[one_line(str(cell)) or _NOTHING for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in [list(headings), *body]) for column in range(len(headings))]
    rule = ["=" * width for width in widths]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [list(headings), rule, *body]
    ]


def route_table(routes: Sequence[Result], proven: Sequence[Result] = ()) -> list[str]:
    """One line per route: where it leads, verdict before and after, strategy, and what the proxies say.

    ``routes`` are those of service_routing, ``proven`` those of mtls_proof; the last line counts.
    """
    proofs = {route_key(item): str(item.get("verdict", "")) for item in proven}
    rows = []
    for item in routes:
        after = item.get("after") or {}
        rows.append((
            _where(item), _backend(item), (item.get("before") or {}).get("verdict", ""), after.get("verdict", ""),
            after.get("strategy", ""), _access(after), proofs.get(route_key(item), ""),
        ))
    return [*table(("ROUTE", "BACKEND", "BEFORE", "AFTER", "STRATEGY", "ACCESS", "PROOF"), rows), "", _count(routes, proofs)]


def proof_table(proven: Sequence[Result]) -> list[str]:
    """One line per route: where it leads, and what the proxies say."""
    rows = [(_where(item), _backend(item), item.get("verdict", ""), _access(item)) for item in proven]
    done = sum(1 for item in proven if item.get("verdict") == "mutual_tls")
    return [*table(("ROUTE", "BACKEND", "PROOF", "ACCESS"), rows), "", f"{done} of {len(proven)} routes proven to use mutual TLS"]


def chain_table(routes: Sequence[Result]) -> list[str]:
    """One line per route of a chain: where it leads, by which way, and the verdict before and after."""
    rows = [
        (
            _where(item), _backend(item), "gateway" if item.get("chained") else "direct",
            (item.get("before") or {}).get("verdict", ""), (item.get("after") or {}).get("verdict", ""),
            _access(item.get("after") or {}),
        )
        for item in routes
    ]
    chained = sum(1 for item in routes if item.get("chained"))
    lines = table(("ROUTE", "BACKEND", "BY", "BEFORE", "AFTER", "ACCESS"), rows)
    return [*lines, "", f"{chained} of {len(routes)} routes go through the gateway"]


def load_balancer_table(load_balancers: Sequence[Result]) -> list[str]:
    """One line per load balancer: what it is, whether it has a sidecar, and which modes it can be run in."""
    rows = []
    for item in load_balancers:
        sidecar, modes = item.get("sidecar") or {}, item.get("modes") or {}
        able = [name for name, mode in modes.items() if mode.get("supported")]
        rows.append((
            f"{item.get('namespace') or '(class)'}/{item.get('name')}", str(item.get("title")), str(item.get("version") or ""),
            ",".join(item.get("classes") or []), _injected(sidecar), str(len(item.get("routes") or [])), ",".join(able),
        ))
    return table(("LOAD BALANCER", "WHAT", "VERSION", "CLASSES", "SIDECAR", "ROUTES", "MODES"), rows)


def finding_lines(findings: Sequence[Result]) -> list[str]:
    """One line per finding, errors first, each said once."""
    order = {"error": 0, "warning": 1, "info": 2}
    ranked = sorted(findings, key=lambda item: (order.get(str(item.get("severity")), 3), str(item.get("code"))))
    lines = [f"{item.get('severity', '').upper():7} {item.get('code')} {_object(item)}{item.get('message')}" for item in ranked]
    return list(dict.fromkeys(map(one_line, lines)))


def route_key(item: Result) -> tuple[str, ...]:
    """What makes a route the same one in the results of different modules."""
    ref, backend = item.get("object") or {}, item.get("backend") or {}
    return tuple(
        str(value) for value in (
            item.get("load_balancer"), ref.get("kind"), ref.get("namespace"), ref.get("name"), item.get("host"),
            item.get("path"), backend.get("namespace"), backend.get("service"), backend.get("port"),
        )
    )


def _access(side: Result) -> str:
    """Whether policies admit the requests, as it holds on one side."""
    return str((side.get("access") or {}).get("decision", ""))


def _where(item: Result) -> str:
    return f"{item.get('host') or '*'} {item.get('path') or '/'}"


def _backend(item: Result) -> str:
    backend = item.get("backend") or {}
    return f"{backend.get('namespace')}/{backend.get('service')}:{backend.get('port')} ({backend.get('protocol')})"


def _injected(sidecar: Result) -> str:
    found = sidecar.get("injected")
    return str(found) if isinstance(found, str) else ("yes" if found else "no")


def _object(item: Result) -> str:
    ref = item.get("object") or {}
    if not ref:
        return ""
    where = f"{ref.get('namespace')}/" if ref.get("namespace") else ""
    return f"{ref.get('kind')} {where}{ref.get('name')}: "


def _count(routes: Sequence[Result], proofs: Mapping[tuple[str, ...], str]) -> str:
    reached = sum(1 for item in routes if (item.get("after") or {}).get("verdict") == "mutual_tls")
    text = f"{reached} of {len(routes)} routes reach mutual TLS by plan"
    if proofs:
        proven = sum(1 for item in routes if proofs.get(route_key(item)) == "mutual_tls")
        text += f", {proven} proven by the proxies"
    return text
