# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts a load balancer: its folder, its lines in the registry and in the tests' catalogue, a first test and a changelog fragment.

What it writes is complete, passes all checks, and knows nothing yet: names that begin with "example" are to be replaced.
"""

from __future__ import annotations

import argparse
import keyword
import re
import sys
from pathlib import Path
from string import Template

from tests.tools.stage_collection import ROOT

BALANCERS = "plugins/module_utils/balancers"
REGISTRY = f"{BALANCERS}/registry.py"
TESTS = "tests/unit/plugins/module_utils"
CATALOGUE = f"{TESTS}/detect/everything.py"
ID = re.compile(r"[a-z][a-z0-9_]*")
# Neither quotes nor colons: a title stands in Python and in YAML.
TITLE = re.compile(r"\w[\w .,+&/()-]{,49}")
IMPORT = re.compile(r"^from \.(\S+) import .*\n", re.MULTILINE)
# In two parts, or the tool that collects licences would take the template for this file's own.
HEAD = "\n".join((
    "# Copyright: Contributors to the meshlb.istio project",
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-" + "Identifier: GPL-3.0-or-later\n",
))

PROFILE = Template('''"""$title: what carries its traffic, and how it reaches a backend.

Source: the files of the vendor's that were read, with their version. What is not confirmed is said here as well.
"""

from __future__ import annotations

from ..contract.facts import About, Facts, ProofLevel
from ..contract.recognition import Recogniser, Signs
from ..kit.limited import limited

FACTS = Facts(remark="nothing of it was read yet", proof=ProofLevel.NONE)
SIGNS = Signs(images=("example/$id",))
WHY_NOT = "no setting for Service routing is known of $title"
PROFILE = limited(About("$id", "$title", facts=FACTS), Recogniser(SIGNS, ("example.com/$id",)), WHY_NOT)
''')

TEST = Template('''"""$title: what it is recognised by, and what is read of its routes."""

from __future__ import annotations

$imports

from tests.unit.plugins.module_utils.balancers.support import HTTP, data_plane, meshed, shown, the
from tests.unit.plugins.module_utils.detect.everything import CATALOG, STRANGERS
from tests.unit.plugins.module_utils.support.cluster import PUBLIC, backend, ingress, ingress_class, path

PROXY = data_plane("$name", image="example/$id:1.0")
CLASS = ingress_class("$name", "example.com/$id")


def test_it_is_recognised_with_its_class() -> None:
    found = the(meshed(PROXY, CLASS), "$id")
    assert (found.label, found.version, found.classes) == ("edge/$name", "1.0", ("$name",))


def test_nothing_else_is_taken_for_it() -> None:
    others = [*STRANGERS, *(item.carrier for item in CATALOG if item.vendor != "$id")]
    assert not any(recognition_of(PROFILE.recogniser, item) for item in others)


def test_its_ingresses_are_read() -> None:
    snapshot = meshed(*HTTP, PROXY, CLASS, ingress("a", path(backend("shop")), class_name="$name"))
    assert shown(snapshot, "$id") == [(PUBLIC, "/", "apps/shop:80", "pod_ips", "", "http")]
''')

INSTALLED = Template('''    Installed(
        "$id", data_plane("$name", image="example/$id:1.0", where="$name"),
        (ingress_class("$name", "example.com/$id"),), by_image_alone=True),
''')

FRAGMENT = Template('''---
minor_changes:
  - lb_info, service_routing, lb_sidecar, mtls_proof - $title is recognised, and its routes are read.
''')


class RefusedError(Exception):
    """Why nothing was written."""


def start(root: Path, identifier: str, title: str) -> list[str]:
    """Writes all files, or none of them; returns their names."""
    _check(root, identifier, title)
    fields = {"id": identifier, "title": title, "name": identifier.replace("_", "-"), "imports": _imports(identifier)}
    texts = {
        f"{BALANCERS}/{identifier}/profile.py": HEAD + PROFILE.substitute(fields),
        f"{TESTS}/balancers/{identifier}/test_profile.py": HEAD + TEST.substitute(fields),
        f"changelogs/fragments/balancer-{fields['name']}.yml": FRAGMENT.substitute(fields),
        REGISTRY: registered((root / REGISTRY).read_text(encoding="utf-8"), identifier),
        CATALOGUE: _before(r"^\)", "CATALOG = (\n", INSTALLED.substitute(fields), (root / CATALOGUE).read_text(encoding="utf-8")),
    }
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(texts)


def _check(root: Path, identifier: str, title: str) -> None:
    if not ID.fullmatch(identifier) or keyword.iskeyword(identifier):
        raise RefusedError(f"{identifier!r} is no id: lower-case letters, digits and underscores, a letter first, and no word of Python's")
    if not TITLE.fullmatch(title):
        raise RefusedError(f"{title!r} is no title: up to 50 letters, digits, spaces and . , + & / ( ) -")
    folder = root / BALANCERS / identifier
    if folder.exists() or folder.with_suffix(".py").exists():
        raise RefusedError(f"{BALANCERS}/{identifier} is there already")


def _imports(identifier: str) -> str:
    collection = "ansible_collections.meshlb.istio.plugins.module_utils.balancers"
    return "\n".join(sorted((
        f"from {collection}.{identifier}.profile import PROFILE", f"from {collection}.kit.recognition import recognition_of",
    )))


def registered(text: str, identifier: str) -> str:
    """The registry with one more profile: its import where the order has it, its line as the last of the list."""
    later = (found.start() for found in IMPORT.finditer(text) if found[1] > identifier)
    last = max(found.end() for found in IMPORT.finditer(text))
    place = next(later, last)
    text = f"{text[:place]}from .{identifier} import profile as {identifier}\n{text[place:]}"
    return _before(r"^\)", "\nPROFILES", f"    {identifier}.PROFILE,\n", text)


def _before(end: str, opening: str, line: str, text: str) -> str:
    """A text with a line put before the first ``end`` that follows ``opening``."""
    begin = text.index(opening)
    found = re.compile(end, re.MULTILINE).search(text, begin)
    if found is None:
        raise RefusedError(f"nothing ends what begins with {opening.strip()!r}")
    return text[:found.start()] + line + text[found.start():]


def main() -> int:
    """The exit status is 1 where nothing was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("id", help="its id: also the name of its folder")
    parser.add_argument("title", help="its name, as users know it")
    asked = parser.parse_args()
    try:
        written = start(ROOT, asked.id, asked.title)
    except RefusedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"wrote {name}\n" for name in written))
    return 0


if __name__ == "__main__":
    sys.exit(main())
