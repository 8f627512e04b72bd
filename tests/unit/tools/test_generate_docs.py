# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Generated pages: the frame compares and writes, the generators say what the code says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.tools.generate_docs import findings, modules, readme, roles
from tests.tools.generate_docs.frame import Generator, outdated, write
from tests.tools.generate_docs.markdown import markup, option_rows, table

GENERATOR = Generator("docs/*.md", lambda root: {"docs/a.md": "new\n"})


def test_write_brings_pages_up_to_date_and_deletes_stale_ones(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "old.md").write_text("old\n")
    assert outdated(GENERATOR, tmp_path) == [
        "docs/a.md: differs from what the code says",
        "docs/old.md: the code it is generated from is gone",
    ]
    assert write(GENERATOR, tmp_path) == ["wrote docs/a.md", "deleted docs/old.md"]
    assert outdated(GENERATOR, tmp_path) == []
    assert write(GENERATOR, tmp_path) == []


@pytest.mark.parametrize("generator", [findings.pages, modules.pages, readme.pages, roles.pages])
def test_a_source_that_is_not_there_gives_no_pages(tmp_path: Path, generator: object) -> None:
    assert callable(generator)
    assert generator(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("set O(state=absent) or V(true)", "set `state=absent` or `true`"),
        (
            "see L(the page, https://example.com/a) and U(https://example.com)",
            "see [the page](https://example.com/a) and <https://example.com>",
        ),
        (r"B(bold) I(it) RV(a.b) V(f(x\))", "**bold** *it* `a.b` `f(x)`"),
        ("an ACRONYM(like this) stays", "an ACRONYM(like this) stays"),
    ],
)
def test_markup(text: str, expected: str) -> None:
    assert markup(text) == expected


def test_options_are_flattened_and_cells_hold_one_line() -> None:
    options = {"wait": {"type": "dict", "description": ["one|two", "a\nb"], "suboptions": {"sleep": {"type": "int", "default": 0}}}}
    assert table(["O", "T", "M"], option_rows(options)) == (
        "| O | T | M |\n| --- | --- | --- |\n| `wait` | dict | one\\|two<br>a b |\n| `wait.sleep` | int<br>default `0` |  |\n"
    )


def test_findings_page_has_an_anchor_per_code() -> None:
    kind = SimpleNamespace(code="MLB101", severity="error", title="No mesh", meaning="There is none.", remedy="Install one.")
    text = findings.page({"MLB101": kind})
    assert "| [MLB101](#mlb101) | error | No mesh |" in text
    assert "\n## MLB101\n\n**No mesh** (error)\n\nThere is none.\n\nWhat to do: Install one.\n" in text


def test_module_page_says_what_the_module_documents() -> None:
    document = {
        "doc": {"short_description": "Reads", "description": ["All of it."], "options": {"names": {"type": "list", "elements": "str"}}},
        "examples": "\n- name: Read\n  a.b.c:\n",
        "return": {"routes": {"type": "list", "elements": "dict", "returned": "always", "contains": {"host": {"description": "H"}}}},
    }
    text = modules.page("meshlb.istio.lb_info", document)
    assert "| `names` | list of str |" in text
    assert "```yaml\n- name: Read\n  a.b.c:\n```" in text
    assert "| `routes.host` |" in text
    assert "## Notes" not in text


def test_role_page_begins_with_its_main_entry_point(tmp_path: Path) -> None:
    specs = tmp_path / "roles" / "mesh" / "meta" / "argument_specs.yml"
    specs.parent.mkdir(parents=True)
    specs.write_text("argument_specs:\n  assess: {}\n  main:\n    options:\n      mesh_wait: {type: bool, default: true}\n")
    text = roles.pages(tmp_path)["docs/roles/mesh.md"]
    assert text.index("`main`") < text.index("`assess`")
    assert "| `mesh_wait` | bool<br>default `true` |" in text


def test_the_readme_counts_the_rows_of_the_table_and_stays_as_it_is_without_one(tmp_path: Path) -> None:
    rows = table(["Load balancer", "Id"], [["A", "a"], ["B", "b"], ["C", "c"]])
    assert readme.with_count("It knows [24 load balancers](x), in 24 rows.", rows) == "It knows [3 load balancers](x), in 24 rows."
    (tmp_path / "README.md").write_text("It knows [24 load balancers](x).")
    assert readme.pages(tmp_path) == {"README.md": "It knows [24 load balancers](x)."}
