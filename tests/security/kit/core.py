# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check is made of: its registration, its tools, and the words for what was seen."""

from __future__ import annotations

import importlib
import json
import threading
from pathlib import Path

import yaml

from . import fakeapi

CHECKS = []
SECONDS, MEMORY = 6, 1 << 20  # of CPU, and KiB: what one hostile object may cost a run


class Wrong(Exception):
    """The product does not do what is right; the text says what was seen."""


class Unusable(Exception):
    """The check has no footing: an honest run does not do what the check builds on."""


class Check:
    """``patient``: it mostly waits, so it is begun first and takes no turn from the others."""

    def __init__(self, name, right, body, patient):
        self.name, self.right, self.body, self.patient = name, right, body, patient


def check(name, right, patient=False):
    """Register a check. ``right`` is one line that says what is right."""

    def register(body):
        if any(item.name == name for item in CHECKS):
            raise ValueError(f"two checks are called {name}")
        CHECKS.append(Check(name, right, body, patient))
        return body

    return register


def load_checks():
    """Import every check, which registers it."""
    for file in sorted((Path(__file__).parents[1] / "checks").glob("*.py")):
        importlib.import_module(f"tests.security.checks.{file.stem}")


def demand(condition, seen):
    if not condition:
        raise Wrong(seen)


def footing(condition, seen):
    if not condition:
        raise Unusable(seen)


class Tools:
    """What a check works with. One for each check; ``memo`` is shared by all."""

    _memo, _locks, _guard = {}, {}, threading.Lock()

    def __init__(self, product):
        self.product = product
        self._servers = []

    def close(self):
        for server in self._servers:
            server.close()

    def server(self, objects, **more):
        made = fakeapi.Server(objects, **more)
        self._servers.append(made)
        return made

    def memo(self, key, make):
        """What ``make()`` gives, made once for all checks."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._memo:
                self._memo[key] = make()
            return self._memo[key]

    def live(self, module, server, timeout=60, env=None, check_mode=False, cpu=40, **args):
        """A run of a module against a server."""
        return self.product.module(module, {"host": server.url, "api_key": "checks", **args}, timeout, cpu, env, check_mode)

    def start(self, module, server, timeout=60, token="checks", **args):
        return self.product.start(module, {"host": server.url, "api_key": token, **args}, timeout)

    def dry(self, module, objects, timeout=60, cpu=40, **args):
        """A run of a module on manifests: objects, or paths."""
        paths = objects if objects and isinstance(objects[0], (str, Path)) else [self.manifests(objects)]
        return self.product.module(module, {"manifests": [str(item) for item in paths], **args}, timeout, cpu)

    def manifests(self, objects, name="cluster.yaml"):
        """A folder with these objects in one file."""
        folder = self.product.folder("manifests")
        (folder / name).write_text(yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=True))
        return folder

    def folder(self, name="case"):
        return self.product.folder(name)

    def done(self, key, objects, module="service_routing", **args):
        """The objects of a cluster after an honest run, which has to work and to write something."""

        def make():
            server = fakeapi.Server(objects)
            before = server.state()
            run = self.live(module, server, **args)
            footing(run.ok and server.state() != before, f"the honest run before it: {run.say()}")
            again = self.live(module, server, **args)
            footing(again.ok and not again.changes, f"the honest run a second time: {again.say()}")
            server.close()
            return server.objects()

        return self.memo(("done", key), make)


def ref(obj):
    """(kind, namespace, name) of an object."""
    return (obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def ref_of_change(change):
    named = change["object"]
    return (named.get("kind", ""), named.get("namespace") or "", named.get("name", ""))


def words(change):
    kind, namespace, name = ref_of_change(change)
    return f"{change['action']} {kind} {namespace}/{name}"


def listed(items, most=4):
    items = list(items)
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def route_key(route):
    named = route.get("object") or {}
    return (named.get("kind", ""), named.get("namespace") or "", named.get("name", ""), route.get("host", ""), route.get("path", ""))


def verdicts(run, without=()):
    """{route: (verdict before, verdict after, strategy)} of a run, but for routes of these objects."""
    found = {}
    for route in run.routes:
        key = route_key(route)
        if key[:3] not in without:
            before, after = route.get("before") or {}, route.get("after") or {}
            found[key] = (before.get("verdict"), after.get("verdict"), after.get("strategy"))
    return found


def names(run, reference, *more):
    """Whether a run's message or one of its findings names an object: by reference, or in its text."""
    _kind, namespace, name = reference
    for finding in run.findings:
        named = finding.get("object") or {}
        if named.get("name") == name and (named.get("namespace") or "") == namespace:
            return True
        if f"{namespace}/{name}" in str(finding.get("message")) or any(item in str(finding.get("message")) for item in more):
            return True
    named = (run.data or {}).get("object") or {}
    if run.failed and named.get("name") == name and (named.get("namespace") or "") == namespace:
        return True
    return run.failed and any(item in run.message for item in (f"{namespace}/{name}", *more))


def speaks(run, severities=("error", "warning")):
    """Findings that ask for attention."""
    return [item for item in run.findings if item.get("severity") in severities]


def cheap(run, what="the run"):
    demand(run.ended != "killed", f"{what}: {run.say()}")
    demand(run.cpu <= SECONDS, f"{what} took {run.cpu:.0f} s of CPU; {SECONDS} are allowed")
    demand(run.memory <= MEMORY, f"{what} took {run.memory >> 10} MiB; {MEMORY >> 10} are allowed")


def as_json(value):
    return json.dumps(value, sort_keys=True)
