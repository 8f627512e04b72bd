# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that a cluster says gets to steer a terminal, or to look like another line of a report."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.findings import finding
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ObjectRef
from ansible_collections.meshlb.istio.plugins.module_utils.core.printable import one_line, printable, printable_result
from ansible_collections.meshlb.istio.plugins.module_utils.core.tables import chain_table, finding_lines, load_balancer_table, route_table
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import outcome

CONTROLS = [*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0)]
DIRECTIONS = [0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF]
UGLY = "".join(map(chr, CONTROLS + DIRECTIONS))


@pytest.mark.parametrize(("text", "shown"), [
    ("plain", "plain"), ("Zürich 東京 😀 a/b?c=d", "Zürich 東京 😀 a/b?c=d"), ("a\nb\tc", "a\nb\tc"), ("\x1b[2J", "\\x1b[2J"),
    ("a\r\nb", "a\\r\nb"), ("\u202egnp.exe", "\\u202egnp.exe"), ("\x9b31m", "\\x9b31m"), ("\U000e0001", "\\U000e0001"), ("", ""),
])  # fmt: skip
def test_what_is_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_line_is_one_line() -> None:
    assert one_line("denied\r\nok: [localhost]\tx") == "denied\\r ok: [localhost]\\tx"
    assert "\n" not in one_line("a\nb\u2028c\x85d")


def test_results_are_printable_whatever_they_hold() -> None:
    found = printable_result({"a\x1b": [UGLY, {"b": (UGLY, 1, None, True)}], "set": {UGLY}})
    assert not {*str(found)} & {*UGLY} and found["a\\x1b"][1]["b"][1:] == [1, None, True]


def test_errors_and_findings_are_printable_too() -> None:
    ref = ObjectRef("v1", "Service", "a", f"b{UGLY}")

    def fail() -> dict[str, object]:
        raise MeshlbError(f"no{UGLY}\nok: [localhost]", f"hint{UGLY}", ref, {"said": [UGLY]})

    succeeded, result = outcome(fail)
    assert not succeeded and not {*str(result)} & {*UGLY} and "\n" not in str(result["msg"])
    assert not {*str(outcome(lambda: {"findings": [finding("MLB105", UGLY, ref).to_result()]}))} & {*UGLY}


def test_tables_are_printable_whatever_they_are_given() -> None:
    nasty = f"x{UGLY}\nPASSED"
    backend = {"namespace": nasty, "service": nasty, "port": nasty, "protocol": nasty}
    route = {"host": nasty, "path": nasty, "backend": backend, "before": {"verdict": nasty}, "after": {"verdict": nasty, "strategy": nasty}}
    balancer = {"namespace": nasty, "name": nasty, "title": nasty, "version": nasty, "classes": [nasty], "sidecar": {"injected": nasty}}
    remark = {"severity": nasty, "code": nasty, "object": {"kind": nasty, "namespace": nasty, "name": nasty}, "message": nasty}
    for lines in (route_table([route]), chain_table([route]), load_balancer_table([balancer]), finding_lines([remark])):
        assert not {*"".join(lines)} & {*UGLY} and not any("\n" in line for line in lines)
