# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Markdown out of what Ansible's documents are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

GENERATED = "<!-- Generated from the code by `make docs`. Change the code, not this page. -->\n"
_MARKUP = re.compile(r"\b(?P<kind>RV|HORIZONTALLINE|[BICVOEMPULR])\((?P<text>(?:[^)\\]|\\.)*)\)")


def _replace(found: re.Match[str]) -> str:
    """One piece of Ansible's markup as Markdown."""
    text = re.sub(r"\\(.)", r"\1", found["text"])
    match found["kind"]:
        case "B":
            return f"**{text}**"
        case "I":
            return f"*{text}*"
        case "U":
            return f"<{text}>"
        case "L":
            label, dummy, address = text.rpartition(",")
            return f"[{label.strip()}]({address.strip()})"
        case "R":
            return text.rpartition(",")[0].strip()
        case _:
            return f"`{text}`"


def markup(text: str) -> str:
    """Ansible's markup, such as O(name) or V(true), as Markdown."""
    return _MARKUP.sub(_replace, text).strip()


def paragraphs(value: str | Iterable[str] | None) -> list[str]:
    """A description, which is a text or a list of texts."""
    return [markup(part) for part in ([value] if isinstance(value, str) else value or [])]


def cell(*parts: str) -> str:
    """Text for one cell of a table."""
    text = "<br>".join(part for part in parts if part)
    return re.sub(r"\s*\n\s*", " ", text).replace("|", "\\|")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; nothing where there are no rows."""
    titles = list(head)
    body = ["| " + " | ".join(row) + " |\n" for row in rows]
    if not body:
        return ""
    return "| " + " | ".join(titles) + " |\n" + "|" + " --- |" * len(titles) + "\n" + "".join(body)


def _literal(value: Any) -> str:
    """A value as YAML shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _facts(option: Mapping[str, Any]) -> str:
    """An option's type, and where it has them its elements, choices and default."""
    kind = option.get("type", "str")
    facts = [f"{kind} of {option['elements']}" if option.get("elements") else str(kind)]
    if option.get("required"):
        facts.append("**required**")
    if option.get("choices"):
        facts.append("one of " + ", ".join(f"`{_literal(choice)}`" for choice in option["choices"]))
    if option.get("default") is not None:
        facts.append(f"default `{_literal(option['default'])}`")
    return cell(*facts)


def option_rows(options: Mapping[str, Any], parent: str = "") -> Iterator[list[str]]:
    """A row for each option, and below it the rows of what it contains."""
    for name, option in sorted(options.items()):
        path = f"{parent}{name}"
        aliases = ", ".join(f"`{alias}`" for alias in option.get("aliases") or [])
        text = [*paragraphs(option.get("description")), f"Also called {aliases}." if aliases else ""]
        yield [f"`{path}`", _facts(option), cell(*text)]
        yield from option_rows(option.get("options") or option.get("suboptions") or {}, f"{path}.")


def return_rows(values: Mapping[str, Any], parent: str = "") -> Iterator[list[str]]:
    """A row for each returned value, and below it the rows of what it contains."""
    for name, value in values.items():
        path = f"{parent}{name}"
        kind = value.get("type", "str")
        facts = [f"{kind} of {value['elements']}" if value.get("elements") else str(kind), str(value.get("returned", ""))]
        yield [f"`{path}`", cell(*facts), cell(*paragraphs(value.get("description")))]
        yield from return_rows(value.get("contains") or {}, f"{path}.")


def section(title: str, body: str, level: int = 2) -> str:
    """A section; nothing where there is nothing to say."""
    return f"\n{'#' * level} {title}\n\n{body.rstrip()}\n" if body.strip() else ""


def bullets(items: Iterable[str]) -> str:
    """A list."""
    return "".join(f"- {item}\n" for item in items)
