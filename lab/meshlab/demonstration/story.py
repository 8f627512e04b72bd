# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The demonstration, from a cluster to the same cluster. Every step checks that it is as it should be."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from meshlab import paths
from meshlab.cluster.record import DEFAULT_NAME
from meshlab.demonstration.objects import Key, Object, differences
from meshlab.demonstration.screen import Screen
from meshlab.demonstration.world import ROUTES, Answer, World, open_world, request, wait_for
from meshlab.errors import LabError, UsageError

CHECKOUT: Final = paths.LAB.parent
REFUSED: Final = (502, 503)


@dataclass(frozen=True)
class Case:
    """One of the demonstration's routes.

    ``meshed`` is false where the backend is outside the mesh. ``told`` is false where the application is not told who calls:
    without a declared protocol the lab's sidecars pass bytes on and add no header.
    """

    host: str
    path: str
    what: str
    meshed: bool = True
    told: bool = True


CASES: Final = (
    Case("shop.example.com", "/", "Service port declared as HTTP"),
    Case("api.example.com", "/", "Service port without a protocol", told=False),
    Case("", "/any", "a route for any host"),
    Case("old.example.com", "/", "a backend outside the mesh", meshed=False),
)


class Story:
    """The steps, in order. ``started`` is true while there is something to take back."""

    def __init__(self, screen: Screen, name: str) -> None:
        self.screen = screen
        self.name = name
        self.started = False
        self.world = World("", "", own=True)
        self.url = ""

    def tell(self) -> None:
        """All of it."""
        self.cluster()
        before_routes = self.world.objects()
        self.routes()
        before = self.world.objects()
        self.failing("Under STRICT the routes fail", "ingress-nginx has no sidecar, so its requests arrive in plaintext and are refused.")
        self.assess()
        self.establish()
        self.answering()
        self.take_back()
        self.failing("The routes fail again", "Nothing of it is left, so it is as it was: the proof that it was this that helped.")
        self.identical(before)
        self.remove_routes()
        self.started = False
        self.check(not differences(before_routes, self.world.objects()), "the cluster is as this demonstration found it")

    def check(self, good: bool, text: str) -> None:
        """Go on only where it is as it should be."""
        if not good:
            self.screen.failed(text)
            raise LabError(f"step {self.screen.number} is not as it should be: {text}")
        self.screen.fine(text)

    def cluster(self) -> None:
        """A cluster with everything in it."""
        screen = self.screen
        screen.step("A cluster with Istio and ingress-nginx", "Real components on this machine; the first time, they are built.")
        if not paths.external_kubeconfig():
            screen.run(["lab/lab", "up", *self._name(), "--with", "ingress-nginx"], {}, CHECKOUT)
        self.world = open_world(self.name)
        screen.command(f"export KUBECONFIG={self.world.kubeconfig} K8S_AUTH_KUBECONFIG={self.world.kubeconfig}")
        missing = self.world.missing()
        if missing:
            raise LabError(f"the cluster lacks: {'; '.join(missing)}")
        traces = self.world.traces()
        if traces and not self.world.own:
            raise LabError(f"the collection has changed this cluster already ({', '.join(traces[:3])}): run the playbook rollback first")
        self.started = True
        if traces:
            self.play("rollback")
        self.kubectl("delete", "--ignore-not-found", "-f", str(ROUTES), shown=bool(traces))
        self.url = self.world.entrypoint()
        screen.fine(f"ingress-nginx listens on {self.url}")

    def routes(self) -> None:
        """The routes that the rest is about."""
        self.screen.step(
            "Four routes, and a namespace that insists on mutual TLS", f"They are in {ROUTES}; nothing in them knows of this collection."
        )
        self.kubectl("apply", "-f", str(ROUTES))

    def failing(self, title: str, why: str) -> None:
        """Refused, except for the backend that is not in the mesh."""
        self.screen.step(title, why)
        for case in CASES:

            def expected(item: Answer, case: Case = case) -> bool:
                return item.status in REFUSED if case.meshed else item.status == 200 and not item.identity

            answer = self.ask(case, expected)
            what = "refused" if case.meshed else "in plaintext, from nobody in particular"
            self.check(expected(answer), f"{answer.status}, {what} ({case.what})")

    def assess(self) -> None:
        """The read-only playbook."""
        self.screen.step(
            "Why is that, and what would help?",
            "This playbook only reads: each route's verdict now, and the one that the plan would give it.",
        )
        self.play("assess")

    def establish(self) -> None:
        """The playbook that this is all about."""
        self.screen.step(
            "One playbook", "A sidecar for the load balancer, then exactly what each route needs, then the proof from the proxies."
        )
        self.play("standalone_mtls")

    def answering(self) -> None:
        """The same requests, and the identity that the application saw."""
        self.screen.step("The same requests", "The application sees the public Host and, by mutual TLS, who is calling.")
        wanted = self.world.identity()
        for case in CASES:
            host = case.host or self.url.partition("//")[2]

            def good(item: Answer, case: Case = case, host: str = host) -> bool:
                named = item.identity.endswith(wanted) or not (case.meshed and case.told)
                return item.status == 200 and item.host == host and named

            answer = self.ask(case, good)
            self.check(good(answer), f"{answer.status}, Host {answer.host or '-'}, {_caller(case, answer)}")

    def take_back(self) -> None:
        """The way back."""
        self.screen.step("Take it all back", "Objects that were made go, fields that were changed get back what they held.")
        self.play("rollback")

    def identical(self, before: dict[Key, Object]) -> None:
        """Every object as it was."""
        why = "Compared with before: all objects but pods, Secrets, and what controllers write all the time."
        self.screen.step("Every object is what it was", why)
        after = self.world.objects()
        found = differences(before, after)
        self.check(not found, "; ".join(found) or f"{len(after)} objects of {len({key[0] for key in after})} kinds are identical to before")

    def remove_routes(self) -> None:
        """The demonstration's own objects."""
        self.kubectl("delete", "--ignore-not-found", "-f", str(ROUTES))

    def ask(self, case: Case, expected: Callable[[Answer], bool]) -> Answer:
        """One request, shown, and sent until the answer is the expected one."""
        name = f" -H 'Host: {case.host}'" if case.host else ""
        self.screen.command(f"curl -i{name} {self.url}{case.path}")
        return wait_for(lambda: request(f"{self.url}{case.path}", case.host), expected)

    def play(self, playbook: str) -> None:
        """One of the collection's playbooks."""
        only = [] if self.world.own else ["-e", "istio_standalone_mtls_load_balancers=ingress_nginx"]
        self.screen.run(["ansible-playbook", f"meshlb.istio.{playbook}", *only], self.world.environment, CHECKOUT)

    def kubectl(self, *words: str, shown: bool = True) -> None:
        """kubectl, with its own words on the screen."""
        screen = self.screen if shown else Silent()
        screen.run([self.world.kubectl, *words], self.world.environment, CHECKOUT)

    def clean_up(self) -> None:
        """After a step that failed: what was begun is taken back."""
        if self.started:
            self.screen.line("\nTaking back what was begun.\n")
            self.started = False
            self.play("rollback")
            self.remove_routes()

    def down(self) -> str:
        """The command that takes the lab down."""
        return " ".join(["lab/lab", "down", *self._name()])

    def _name(self) -> list[str]:
        return [] if self.name == DEFAULT_NAME else ["--name", self.name]


def _caller(case: Case, answer: Answer) -> str:
    """Who called, as far as the application was told."""
    if not case.meshed:
        return "still in plaintext: the findings above say why"
    if answer.identity:
        return f"client {answer.identity}"
    return "client not told to the application" + ("" if case.told else " (bytes on a port without a protocol)")


class Silent(Screen):
    """Shows nothing."""

    def line(self, text: str = "") -> None:
        """Nothing."""


def require_tools() -> None:
    """Programs that the Makefile puts within reach."""
    for program in ("ansible-playbook", "curl"):
        if not shutil.which(program):
            hint = "; start the demonstration by 'make demo'" if program == "ansible-playbook" else ""
            raise UsageError(f"{program} is not on the PATH{hint}")
    if not os.environ.get("ANSIBLE_COLLECTIONS_PATH"):
        raise UsageError("ANSIBLE_COLLECTIONS_PATH is not set; start the demonstration by 'make demo'")


def main() -> int:
    """Entry point; returns the exit code."""
    begun = time.monotonic()
    story = Story(Screen(), os.environ.get("MESHLB_LAB_NAME") or DEFAULT_NAME)
    try:
        require_tools()
        try:
            story.tell()
        except (LabError, KeyboardInterrupt):
            story.clean_up()
            raise
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 130
    story.screen.line(f"\nDone in {time.monotonic() - begun:.0f} s; every step was as it should be.")
    if story.world.own:
        story.screen.line(
            f"The lab is still running. Look around with: export KUBECONFIG=$(lab/lab kubeconfig{''.join(f' {w}' for w in story._name())})"
        )
        story.screen.line(f"Take it down with:                         {story.down()}")
    return 0
