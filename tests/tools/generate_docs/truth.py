# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The figures in docs/truth.md, from the record of what was compared; the text around them is kept as it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.oracle import ledger
from tests.oracle.ledger import Block, Total

FIGURES = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)
PAGE = "docs/truth.md"


def pages(root: Path) -> dict[str, str]:
    """The page with the figures of this state of the code; nothing where there is no page to put them in."""
    path = root / PAGE
    if not path.is_file():
        return {}
    now = ledger.fingerprint(root)
    blocks = [one for one in ledger.read(root / "tests" / "oracle" / "ledger.jsonl") if one.fingerprint == now]
    return {PAGE: FIGURES.sub(lambda _old: figures(blocks), path.read_text(encoding="utf-8"))}


def figures(blocks: Sequence[Block]) -> str:
    """What the lines of one state of the code add up to, as Markdown."""
    if not blocks:
        return (
            "\nNo mesh has been compared since the collection's code changed last. `make oracle` compares some, and `make docs` puts the"
            " figures here.\n\n"
        )
    return "\n".join(["", *_table(blocks), "", *_reasons(blocks), *_features(blocks), ""])


def _table(blocks: Sequence[Block]) -> Iterator[str]:
    yield "| Istio | meshes of | meshes | comparisons | disagreements | unknown |"
    yield "| --- | --- | --- | --- | --- | --- |"
    kinds = sorted({(one.istio, one.old) for one in blocks})
    for istio, old in kinds:
        found = ledger.total([one for one in blocks if (one.istio, one.old) == (istio, old)])
        what = "what 0.1.0 decided" if old else "everything"
        named = f"{ledger.RELEASES[istio]}, `{istio}`" if istio in ledger.RELEASES else f"`{istio}`"
        yield f"| {named} | {what} | {_number(found.meshes)} | {_number(found.comparisons)} | {found.disagreements} | {_unknown(found)} |"


def _unknown(found: Total) -> str:
    count = sum(found.unknown.values())
    return f"{_number(count)} (1 in {found.comparisons // count})" if count else "0"


def _number(count: int) -> str:
    return f"{count:,}"


def _reasons(blocks: Sequence[Block]) -> Iterator[str]:
    found = ledger.total(blocks)
    if found.unknown:
        yield "Where the collection said `unknown`:"
        yield ""
        yield from _counted("reason", found.unknown)
    if found.judges:
        yield "Who decided what the filters of a backend let in:"
        yield ""
        yield from _counted("by", found.judges)
    if found.left_out:
        yield "What could not be compared:"
        yield ""
        yield from _counted("reason", found.left_out)


def _features(blocks: Sequence[Block]) -> Iterator[str]:
    yield "Meshes with each feature:"
    yield ""
    yield from _counted("feature", ledger.total(blocks).features)


def _counted(what: str, found: Counter[str]) -> Iterator[str]:
    yield f"| {what} | times |"
    yield "| --- | --- |"
    for text, count in sorted(found.items(), key=lambda item: (-item[1], item[0])):
        cell = text.replace("|", "\\|").replace("*", "\\*")
        yield f"| {cell} | {_number(count)} |"
    yield ""
