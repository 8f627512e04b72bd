# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests that are wrong, and folders of somebody else's."""

from __future__ import annotations

import copy
import os

import yaml

from .core import demand, footing, listed, names, ref
from .product import short


def put(obj, path, value):
    """A copy of an object with something else at a path."""
    made = copy.deepcopy(obj)
    node = made
    for step in path[:-1]:
        node = node[step] if isinstance(node, list) else node.setdefault(step, {})
    node[path[-1]] = value
    return made


def split(t, objects, wrong, name="wrong.yaml"):
    """A folder with good.yaml, and the wrong object (or text) in a file of its own."""
    folder = t.folder("manifests")
    (folder / "good.yaml").write_text(yaml.safe_dump_all(objects, sort_keys=False))
    (folder / name).write_text(wrong if isinstance(wrong, str) else yaml.safe_dump(wrong, sort_keys=False, allow_unicode=True))
    return folder


def problem(run, honest, reference, file="wrong.yaml"):
    """What is wrong with how a run takes a wrong object, or the empty string.

    Right is an error that names file and object, or a finding about the object that an honest run has not.
    """
    if run.ended in ("crashed", "killed"):
        return run.say(110)
    if run.failed:
        missing = [text for text in (file, reference[2]) if text and text not in run.message]
        return f"an error that does not name {' and '.join(missing)}: {short(run.message, 110)}" if missing else ""
    leave_out_usual(run, honest)
    return "" if names(run, reference) else "it ends ok, and says nothing"


def leave_out_usual(run, honest):
    """Take the findings out of a run's result that an honest run has, too."""
    usual = {str(item) for item in honest.findings}
    run.data["findings"] = [item for item in run.findings if str(item) not in usual]


def typed(t, objects, cases, modules=None, file="wrong.yaml"):
    """Demand that every wrongly typed field ends in an error that names file and object, or in a finding, and in no traceback.

    ``cases``: ((kind, namespace, name), path, value).
    """
    modules = modules or (("service_routing", {}),)
    seen, wrong = [], 0
    for module, args in modules:
        key = ("typed", module, str(args), str(sorted(map(ref, objects))))
        honest = t.memo(key, lambda module=module, args=args: t.dry(module, objects, **args))
        footing(honest.ok, f"{module} on the honest manifests: {honest.say()}")
        for reference, path, value in cases:
            found = next((item for item in objects if ref(item) == reference), None)
            footing(found is not None, f"there is no {reference}")
            rest = [item for item in objects if item is not found]
            said = problem(t.dry(module, [split(t, rest, put(found, path, value), file)], timeout=30, **args), honest, reference, file)
            if said:
                wrong += 1
                seen.append(f"{module}, {reference[0]} {'.'.join(map(str, path))}: {short(str(value), 24)!r}: {said}")
    demand(not seen, f"{wrong} of {len(cases) * len(modules)}: {listed(seen, 2)}")


def told(t, objects, reference, wrong, file="wrong.yaml", module="service_routing", without=(), words=(), **args):
    """Demand that what would be passed over in silence is told: an error, or a finding that names it (or one of ``words``)."""
    honest = t.memo(("told", module, str(sorted(map(ref, objects)))), lambda: t.dry(module, objects, **args))
    footing(honest.ok, f"the honest manifests: {honest.say()}")
    rest = [item for item in objects if ref(item) != reference and ref(item) not in without]
    run = t.dry(module, [split(t, rest, wrong, file)], timeout=30, **args)
    demand(run.ok or run.failed, run.say())
    if run.failed:
        demand(
            any(text in run.message for text in (file, reference[2], *words)),
            f"an error that names neither file nor object: {short(run.message)}",
        )
        return run
    leave_out_usual(run, honest)
    demand(
        names(run, reference, file, *words),
        f"it ends ok with {len(run.routes)} routes, and no finding names {reference[0]} {reference[1]}/{reference[2]}",
    )
    return run


def tree(folder):
    """Everything below a folder: {path: what it is}."""
    found = {}
    for place, folders, names_ in os.walk(folder):
        for name in [*folders, *names_]:
            path = os.path.join(place, name)
            if os.path.islink(path):
                found[path] = "link to " + os.readlink(path)
            elif os.path.isdir(path):
                found[path] = "folder"
            else:
                with open(path, "rb") as stream:
                    found[path] = stream.read()
    return found


def kept_inside(t, repository, output, objects, **args):
    """Run with ``output_dir`` inside a repository; demand that nothing beside that folder changes. Gives the run."""

    def outside():
        return {path: what for path, what in tree(repository.parent).items() if not path.startswith(str(output) + os.sep)}

    before = outside()
    run = t.dry("service_routing", objects, output_dir=str(output), **args)
    after = outside()
    seen = [os.path.relpath(path, repository.parent) for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
    demand(not seen, f"{run.say(60)}; beside output_dir it wrote: {listed(seen)}")
    demand(run.ok or run.failed, run.say())
    return run


def whole(output):
    """Files that a kustomization.yaml names and that are not there."""
    file = output / "kustomization.yaml"
    if not file.is_file():
        return []
    content = yaml.safe_load(file.read_text()) or {}
    named = [*(content.get("resources") or []), *(item.get("path") for item in content.get("patches") or [])]
    return [name for name in named if name and not (output / name).is_file()]
