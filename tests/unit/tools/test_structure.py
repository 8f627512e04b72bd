# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The measurements of structure, on small made-up sources."""

from __future__ import annotations

import json
import subprocess
import sys
from textwrap import dedent
from types import ModuleType

import pytest

from tests.tools.stage_collection import ROOT
from tests.tools.structure import __main__ as command
from tests.tools.structure import readings, searchable, sizes
from tests.tools.structure.source import PLUGINS, Source
from tests.tools.structure.walk import walk

SNAPSHOT = """
    class Snapshot:
        def all(self, kind): ...
        def get(self, kind, name): ...
    class Overlay(Snapshot):
        def all(self, kind): ...
    """


def source(**files: str) -> Source:
    """A source with these files; two underscores in a name stand for a slash."""
    return Source({f"{name.replace('__', '/')}.py": dedent(text) for name, text in files.items()})


def searching(text: str) -> dict[str, tuple[bool, bool, bool]]:
    """For each function of a file that imports the snapshot: by a plain parameter, by any, and also by ``self``."""
    made = source(kube__snapshot=SNAPSHOT, plan__a=f"from ..kube.snapshot import Snapshot, Overlay\n{dedent(text)}")
    found = {item.name: item for item in searchable.signatures(made) if item.name.startswith("plan.a.")}
    return {name.removeprefix("plan.a."): (item.plain, item.searches, item.with_self) for name, item in found.items()}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("x: int", (False, False, False)),
        ("x", (False, False, False)),
        ("x: Snapshot", (True, True, True)),
        ("*, x: 'Snapshot | None' = None", (True, True, True)),
        ("x: dict[str, tuple[int, Snapshot]]", (True, True, True)),
        ("*x: Snapshot", (True, True, True)),
        ("x: Callable[[Snapshot], int]", (False, False, False)),
        ("x: Literal['Snapshot']", (False, False, False)),
        ("x: Overlay", (False, True, True)),
        ("x: Context", (False, True, True)),
        ("x: Sequence[Deep]", (False, True, True)),
        ("x: Kept", (False, True, True)),
        ("x: Property", (False, True, True)),
        ("x: Narrow", (False, True, True)),
        ("x: Alias", (False, True, True)),
        ("x: T", (False, True, True)),
        ("x: Asks", (False, False, False)),
        ("x: Other", (False, False, False)),
    ],
)
def test_a_parameter_through_which_all_can_be_searched(given: str, expected: tuple[bool, bool, bool]) -> None:
    text = f"""
    @dataclass
    class Context:
        snapshot: Snapshot
    class Deep:
        items: "tuple[Context, ...]" = ()
    class Kept:
        def __init__(self, where: Snapshot) -> None:
            self._where = where
    class Property:
        @property
        def snapshot(self) -> Snapshot: ...
    class Narrow(Protocol):
        def get(self, kind, name): ...
    class Other(Protocol):
        def get(self, kind, name): ...
        def put(self, kind, name): ...
    @dataclass
    class Asks:
        ask: Callable[[Snapshot], int]
    Alias = tuple[str, Context]
    T = TypeVar("T", bound=Snapshot)
    def f({given}): ...
    """
    assert searching(text)["f"] == expected


def test_self_counts_separately() -> None:
    found = searching("""
    class Context:
        snapshot: Snapshot
        def own(self): ...
        @staticmethod
        def static(number: int): ...
        @classmethod
        def made(cls, snapshot: Snapshot): ...
        def nested(self):
            def inner(snapshot: Snapshot): ...
    """)
    assert found == {
        "Context.own": (False, False, True),
        "Context.static": (False, False, False),
        "Context.made": (True, True, True),
        "Context.nested": (False, False, True),
        "Context.nested.inner": (True, True, True),
    }


def test_two_classes_of_one_name_are_two() -> None:
    made = source(
        snapshot=SNAPSHOT, a="from .snapshot import Snapshot\nclass Reader:\n    snapshot: Snapshot\n", b="class Reader:\n    pass\n",
        handed_on="from .a import Reader\n", c="from .handed_on import Reader\ndef f(x: Reader): ...\n",
        d="from . import b as other\ndef f(x: other.Reader): ...\n",
    )
    assert {item.name: item.searches for item in searchable.signatures(made)}["c.f"]
    assert not {item.name: item.searches for item in searchable.signatures(made)}["d.f"]


def test_a_renamed_snapshot_is_noticed() -> None:
    with pytest.raises(ValueError, match="No class is called Snapshot"):
        searchable.holders(source(a="class Objects: ...\n"))


HOLDER = """
    from dataclasses import dataclass
    @dataclass(frozen=True)
    class Session:
        params: dict
        snapshot: object
        @property
        def workers(self) -> int:
            return count(self.params)
        def close(self, when): ...
    def count(params): ...
    def start(params, kinds):
        return Session(params, read(kinds))
    def read(kinds): ...
    def pair(params):
        return 1, params
    """


@pytest.mark.parametrize(
    ("body", "files", "returns"),
    [
        ("pass", ["run"], 0),
        ("tool(params)", ["run", "tools"], 0),
        ("tool(1, other=params)", ["run", "tools"], 0),
        ("tools.tool(params)", ["run", "tools"], 0),
        ("tool(1)", ["run"], 0),
        ("unknown(params)", ["run"], 0),
        ("own = params or {}\n    tool(own)", ["run", "tools"], 0),
        ("params = 1\n    tool(params)", ["run"], 0),
        # A part of it is not the parameter.
        ("tool(params['x'])", ["run"], 0),
        ("tool(params.get('x'))", ["run"], 0),
        # There and back, and there again.
        ("tool(params)\n    here(params)", ["run", "tools"], 1),
        ("tool(params)\n    here(params)\n    tool(params)", ["run", "tools"], 2),
        ("here(params)\n    here(params)", ["run"], 0),
        # An object that holds it, its own attribute, and an attribute that is something else.
        ("s = start(params, 1)\n    tool(s)", ["run", "holder", "tools"], 0),
        ("s = Session(params, 1)\n    tool(s.params)", ["run", "tools"], 0),
        ("s = Session(snapshot=1, params=params)\n    tool(s.snapshot)", ["run"], 0),
        ("s = Session(1, 2)\n    tool(s)", ["run"], 0),
        ("s = Session(params, 1)\n    s.close(1)", ["run", "holder"], 0),
        ("s = Session(params, 1)\n    tool(s.workers)", ["run", "holder"], 0),
        ("one, two = pair(params)\n    tool(one)", ["run", "holder"], 0),
        ("one, two = pair(params)\n    tool(two)", ["run", "holder", "tools"], 0),
        # Wherever the call stands.
        ("return [tool(params) for item in range(3)]", ["run", "tools"], 0),
        ("def inner():\n        tool(params)\n    inner()", ["run", "tools"], 0),
        ("x = lambda: tool(params)", ["run", "tools"], 0),
        ("x = lambda params: tool(params)", ["run"], 0),
        ("if a:\n        x = params\n    else:\n        x = None\n    tool(x)", ["run", "tools"], 0),
        ("try:\n        here(1)\n    finally:\n        tool(params)", ["run", "tools"], 0),
        ("with tool(params) as x:\n        pass", ["run", "tools"], 0),
        ("match a:\n        case 1:\n            tool(params)", ["run", "tools"], 0),
        # An endless way is walked once.
        ("again(params)", ["run", "tools"], 1),
    ],
)
def test_the_way_of_a_parameter(body: str, files: list[str], returns: int) -> None:
    made = source(
        run="from . import tools\nfrom .tools import tool, again\nfrom .holder import Session, start, pair\n"
        f"def run(params, a):\n    {body}\ndef here(params): ...\n",
        tools="def tool(one, other=None): ...\ndef again(params):\n    from .run import here\n    here(params)\n    again(params)\n",
        holder=HOLDER,
    )
    if "again" in body:
        returns += 1
    trip = walk(made, "run.run", "params")
    assert [path.removesuffix(".py") for path in trip.files] == files
    assert trip.returns == returns


@pytest.mark.parametrize(
    ("body", "files"),
    [
        ("tool(params['x'])", ["run", "tools"]),
        ("s = start(1, params.get('x'))\n    tool(s.snapshot)", ["run", "holder", "tools"]),
        ("for item in params['x']:\n        tool(item)", ["run", "tools"]),
        ("return [tool(item) for item in params]", ["run", "tools"]),
        ("found = []\n    found.append(params['x'])\n    tool(found)", ["run", "tools"]),
        ("found = {}\n    found['x'] = params\n    tool(found)", ["run", "tools"]),
        ("tool(json.dumps(params))\n    tool(json.loads('1'))", ["run", "tools"]),
        ("json.dumps(params)\n    tool(json.loads('1'))", ["run"]),
        ("raise ValueError(tool(params))", ["run"]),
    ],
)
def test_the_way_of_what_is_made_from_a_parameter(body: str, files: list[str]) -> None:
    made = source(
        run=f"import json\nfrom .tools import tool\nfrom .holder import start\ndef run(params):\n    {body}\n",
        tools="def tool(one): ...\n", holder=HOLDER,
    )
    assert [path.removesuffix(".py") for path in walk(made, "run.run", "params", made=True).files] == files


def test_methods_are_found_by_what_is_annotated_and_made() -> None:
    made = source(
        a="""
        from .b import Base, Heir
        def run(params):
            Heir().first(params)
            other(Heir(), params)
        def other(heir: Heir | None, params):
            heir.second(params)
        """,
        b="""
        from .c import Root
        class Base(Root):
            def first(self, params):
                self.second(params)
        class Heir(Base):
            def first(self, params):
                super().first(params)
        """,
        c="class Root:\n    def second(self, params): ...\n",
    )
    trip = walk(made, "a.run", "params")
    assert trip.functions == ["a.run", "b.Heir.first", "b.Base.first", "c.Root.second", "a.other"]
    # a b c a c: back into a and c, and only a was asked something new.
    assert (trip.returns, trip.new_returns) == (2, 1)


@pytest.mark.parametrize(
    ("body", "files"),
    [
        ("Run(params).go()", ["a", "b", "c"]),
        ("run = Run(params)\n    tool(run.params)", ["a", "b", "c"]),
        ("run = Run(params)\n    tool(run.other)", ["a", "b"]),
        ("Heir(params).go()", ["a", "b", "c"]),
        ("Run(1).go()", ["a"]),
    ],
)
def test_an_object_holds_what_it_is_made_with(body: str, files: list[str]) -> None:
    made = source(
        a=f"from .b import Run, Heir\nfrom .c import tool\ndef run(params):\n    {body}\n",
        b="""
        from .c import tool
        class Run:
            def __init__(self, params):
                self.params, self.other = params, 1
                self.fill()
            def fill(self): ...
            def go(self):
                tool(self.params)
        class Heir(Run):
            def __init__(self, params):
                super().__init__(params)
        """,
        c="def tool(one): ...\n",
    )
    assert [path.removesuffix(".py") for path in walk(made, "a.run", "params").files] == files


def test_an_attribute_keeps_its_class() -> None:
    made = source(
        a="from .b import Run\ndef run(params):\n    Run(params)\n",
        b="from .c import Session\nclass Run:\n    def __init__(self, params):\n        self.session = Session(params)\n"
        "        self.session.close()\n",
        c="class Session:\n    def __init__(self, params):\n        self.params = params\n    def close(self): ...\n",
    )
    assert walk(made, "a.run", "params").functions == ["a.run", "b.Run.__init__", "c.Session.__init__", "c.Session.close"]


def test_a_way_has_to_begin_somewhere() -> None:
    with pytest.raises(ValueError, match=r"no function a\.run with a parameter gone"):
        walk(source(a="def run(params): ...\n"), "a.run", "gone")


def test_sizes() -> None:
    made = source(
        module_utils__plan__deep__a="def long():\n    x = 1\n    return x\n", modules__b="def short(): ...\n",
        module_utils__contract__c="class Base:\n    one = 1\n    two: int = 2\n    def three(self): ...\n"
        "class Heir(Base):\n    one = 2\n    four = 4\n",
    )
    assert sizes.lines(made) == {"module_utils/plan": 3, "modules": 1, "module_utils/contract": 7}
    assert sizes.longest_functions(made, 1) == [(3, "module_utils.plan.deep.a.long")]
    found = sizes.members(made, "module_utils/contract/")
    assert found == {"module_utils.contract.c.Base": {"own": 3, "in all": 3}, "module_utils.contract.c.Heir": {"own": 2, "in all": 4}}


def test_readings_are_counted_wherever_the_reader_was_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    home, user = ModuleType(f"{PLUGINS}made_up.home"), ModuleType(f"{PLUGINS}made_up.user")
    exec("def read(objects, only=None): return objects", vars(home))
    vars(user)["anything"] = read = vars(home)["read"]
    for module in (home, user):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    noted: list[bool] = []
    with readings.watched("made_up.home.read", noted.append):
        assert vars(user)["anything"](1) == 1
        vars(home)["read"](1, None)
        vars(user)["anything"](1, only={2})
    assert noted == [False, False, True]
    assert vars(user)["anything"] is vars(home)["read"] is read


def test_the_command_measures_this_checkout() -> None:
    # In a process of its own: the module that it runs writes to the standard output.
    said = subprocess.run([sys.executable, "-m", "tests.tools.structure", "--json"], cwd=ROOT, check=True, capture_output=True).stdout
    found = json.loads(said)
    assert found["readings"]["full"] > 0
    assert found["readings"]["routes"] == 4
    assert all(way["itself"]["files"] <= way["made from it"]["files"] for way in found["ways"].values())
    assert found["packages"]["module_utils/plan"]["searches"] > 0
    assert any(line.startswith("module_utils/plan ") for line in command.report(found))
