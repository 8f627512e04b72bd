# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does the comparison find faults? Faults of one line, put into copies of the code one at a time, and the meshes that find them.

    python -m tests.oracle.mutations [--meshes 300] [--only NAME]

A fault counts as found when a mesh disagrees in a way in which the code as it is does not.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.tools.stage_collection import ROOT, stage

from .ledger import MESHES_IN_TEST

LEAST = 18
"""How many of the twenty have to be found."""


@dataclass(frozen=True)
class Mutation:
    """``old`` is in the file once, and ``new`` takes its place."""

    name: str
    file: str
    old: str
    new: str


MUTATIONS = (
    Mutation("a port is sniffed that never is", "istio/protocols.py", "{25, 53, 3306, 27017}", "{25, 53, 27017}"),
    Mutation("h2c is not HTTP", "istio/protocols.py", '"kubernetes.io/h2c": "http2"', '"kubernetes.io/h2c": "tcp"'),
    Mutation("names of protocols have a case", "istio/protocols.py", 'lowered.partition("-")[0]', 'name.partition("-")[0]'),
    Mutation(
        "the youngest PeerAuthentication counts", "istio/authentication.py",
        "key=lambda item: (created_at(item), name_of(item), namespace_of(item)))",
        "key=lambda item: (created_at(item), name_of(item), namespace_of(item)), reverse=True)",
    ),
    Mutation("UNSET is a mode", "istio/authentication.py", 'return "" if mode == "UNSET" else mode', "return mode"),
    Mutation(
        "the mesh goes before the namespace", "istio/authentication.py", "for scope in (namespace, read_mesh(view).root_namespace)",
        "for scope in (read_mesh(view).root_namespace, namespace)",
    ),
    Mutation(
        "modes of ports are ignored", "istio/authentication.py",
        '_mode(dig(own[0], "spec", "portLevelMtls", str(port))) or _port_mode(own[0], port)', '""',
    ),
    Mutation("STRICT lets plaintext in", "istio/transport.py", 'self._mode(endpoint) == "STRICT" else', 'self._mode(endpoint) == "" else'),
    Mutation(
        "DISABLE takes mutual TLS", "istio/transport.py",
        'return "mutual_tls" if captured and self._mode(endpoint) != "DISABLE" else "refused"',
        'return "mutual_tls" if captured else "refused"',
    ),
    Mutation("one meshed pod is enough", "istio/transport.py", "all(map(_is_meshed, together))", "any(map(_is_meshed, together))"),
    Mutation("identities do not matter", "istio/transport.py", "if identity and identity not in accepted}", "if not identity}"),
    Mutation(
        "a private object is for all", "istio/visibility.py", 'scope == "." and namespace_of(obj) == own', 'scope == "."',
    ),
    Mutation("an empty policy allows any", "istio/visibility.py", 'return "REGISTRY_ONLY"', 'return "ALLOW_ANY"'),
    Mutation(
        "undeclared ports own no Host", "istio/hosts.py", "if (is_http(protocol) or protocol == AUTO)", "if is_http(protocol)",
    ),
    Mutation(
        "excluded ports are captured", "istio/endpoints.py", "return self.sidecar and self.interception.takes_inbound(port)",
        "return self.sidecar",
    ),
    Mutation(
        "the root's DestinationRule goes first", "istio/destination_rules.py", "for namespace in (home, root):",
        "for namespace in (root, home):",
    ),
    Mutation(
        "host_entry accepts one identity", "plan/strategies/host_entry.py", "subjectAltNames=sorted(identities)",
        "subjectAltNames=sorted(identities)[:1]",
    ),
    Mutation("the twin's ports are HTTP", "plan/strategies/headless_twin.py", 'f"tcp-{number}"', 'f"http-{number}"'),
    Mutation(
        "host_alias forgets the path", "plan/strategies/host_alias.py", 'if route.path in ("", "/"):', "if route.path:",
    ),
    Mutation(
        "pods outside the mesh have a twin", "plan/strategies/headless_twin.py", "outside = facts.without_mutual_tls", 'outside = ""',
    ),
)


def mutated(mutation: Mutation, target: Path) -> Path:
    """A copy of the collection with the fault in it; gives what holds ``ansible_collections``."""
    tree = stage("link")
    home = target / "ansible_collections" / "meshlb" / "istio"
    shutil.copytree((tree / "ansible_collections" / "meshlb" / "istio" / "plugins").resolve(), home / "plugins")
    for beside in (tree / "ansible_collections" / "meshlb" / "istio").iterdir():
        if beside.name != "plugins":
            (home / beside.name).symlink_to(beside.resolve())
    file = home / "plugins" / "module_utils" / mutation.file
    text = file.read_text(encoding="utf-8")
    if text.count(mutation.old) != 1:
        raise ValueError(f"{mutation.file} has {text.count(mutation.old)} times: {mutation.old}")
    file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    return target


def faults(collection: Path, meshes: int, known: Path | None = None) -> list[str]:
    """The disagreements of a copy, the first new ones only where some are ``known``."""
    asked = [sys.executable, "-m", "tests.oracle", "--no-ledger", "--meshes", str(meshes), "--collection", str(collection)]
    done = subprocess.run([*asked, *(["--known", str(known)] if known else [])], capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr or done.stdout)
    return [line for line in done.stdout.splitlines() if line.startswith("DISAGREE ")]


def run(chosen: Sequence[Mutation], meshes: int) -> Iterator[tuple[Mutation, str]]:
    """Each fault with the first disagreement that it causes, empty where none was found."""
    with tempfile.TemporaryDirectory(prefix="meshlb-mutations-") as folder:
        known = Path(folder) / "known"
        known.write_text("".join(f"{line}\n" for line in faults(stage("link"), meshes)), encoding="utf-8")
        for number, mutation in enumerate(chosen):
            found = faults(mutated(mutation, Path(folder) / str(number)), meshes, known)
            yield mutation, found[0] if found else ""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle.mutations", description=__doc__)
    parser.add_argument("--meshes", type=int, default=MESHES_IN_TEST)
    parser.add_argument("--only", default="", help="faults whose name has this in it")
    given = parser.parse_args(argv)
    chosen = [item for item in MUTATIONS if given.only in item.name]
    found = 0
    for mutation, first in run(chosen, given.meshes):
        found += bool(first)
        sys.stdout.write(f"{'found' if first else 'NOT FOUND'}: {mutation.name} ({mutation.file}){': ' + first[:200] if first else ''}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{found} of {len(chosen)} were found\n")
    return 0 if found >= len(chosen) - len(MUTATIONS) + LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
