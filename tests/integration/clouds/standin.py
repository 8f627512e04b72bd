# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a stand-in for a cloud's load balancer is to do, and its two forms: a proxy (HAProxy) and a forwarder of packets (nftables).

A stand-in is a real load balancer in a network namespace of its own that is told to do what the cloud's is documented to do. It is not the
cloud's: what that does beyond its documentation is not seen here.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.integration.clouds.network import Network
from tests.integration.support.certificates import for_names
from tests.integration.support.cluster import wait_for

HERE = Path(__file__).parent
PORT, TLS_PORT = 80, 443
PATIENCE = 30
INTERVAL = 0.5
"""Seconds between two checks; two in a row decide. Clouds check less often, so a gateway has longer to learn of its end there."""


@dataclass(frozen=True)
class Target:
    """Where it sends to, and where it checks that; ``check_port`` 0 for no check."""

    name: str
    address: str
    port: int
    check_address: str = ""
    check_port: int = 0


@dataclass(frozen=True)
class Setting:
    """What a platform's objects say, in a load balancer's own words.

    ``ends_tls``: it takes clients' TLS too, at port 443; ``redirects``: it sends those without TLS there. ``forwarded``: what is done with
    X-Forwarded-For. ``ports``: its entries are address:port. ``second``: the address that follows the client's there. ``host``: what Host
    becomes. ``server_name``: what is sent as SNI: never any, the request's host, or a name. ``authority``: whose certificates it takes for
    that name, in PEM; empty for any. ``proxy``: the version of the PROXY header, 0 for none; ``check_proxy``: whether checks begin with one
    too. ``drains``: whether requests under way on a target that leaves may end. ``keeps_source``: connections arrive from the client's own
    address. ``headers``: further headers, in HAProxy's own form.
    """

    targets: tuple[Target, ...]
    layer: Literal["http", "tcp"] = "http"
    ends_tls: bool = False
    redirects: bool = False
    forwarded: Literal["append", "replace", "none"] = "append"
    ports: bool = False
    second: str = ""
    host: str = ""
    tls: bool = False
    http2: bool = False
    server_name: str = "never"
    authority: str = ""
    proxy: Literal[0, 1, 2] = 0
    check: Literal["http", "https", "tcp", "none"] = "http"
    check_path: str = ""
    check_status: str = "200"
    drains: bool = False
    check_proxy: bool = False
    keeps_source: bool = False
    headers: tuple[tuple[str, str], ...] = ()


class StandIn:
    """A running one."""

    def __init__(self, setting: Setting, network: Network, folder: Path) -> None:
        self.setting, self.network, self.folder = setting, network, folder
        self.log = folder / "standin.log"

    def states(self) -> dict[str, str]:
        """Targets by name: UP, DOWN, or ``no check``."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """The program, which runs until it is ended."""
        raise NotImplementedError

    def wait_until(self, state: str, *names: str) -> float:
        """Wait until these targets are in a state; gives the moment when they were seen in it."""
        wanted = names or tuple(item.name for item in self.setting.targets)
        wait_for(lambda: all(self.states().get(name) == state for name in wanted), f"{', '.join(wanted)} to be {state}", PATIENCE, 0.05)
        return time.time()

    def take_out(self, name: str) -> float:
        """Send nothing new to a target, as a controller has it once the Service's endpoints lack the pod; gives the moment."""
        raise NotImplementedError

    def clean(self) -> None:
        """Take back what outlives the program."""

    @contextmanager
    def running(self) -> Iterator[StandIn]:
        """Run it; whatever happens, only its own process is ended."""
        with self.log.open("w") as log:
            process = subprocess.Popen([*self.network.inside, *self.command()], stdout=log, stderr=subprocess.STDOUT)
        try:
            first = "no check" if self.setting.check == "none" else "UP"
            wait_for(lambda: process.poll() is not None or set(self.states().values()) == {first}, f"all targets to be {first}", PATIENCE)
            assert process.poll() is None, "it ended"
            yield self
        except AssertionError as error:
            raise AssertionError(f"{error}\nstand-in: {self.log.read_text()[-2000:]}") from error
        finally:
            process.terminate()
            process.wait(timeout=10)
            self.clean()


class Proxy(StandIn):
    """HAProxy: it ends connections and opens its own."""

    def command(self) -> list[str]:
        program = shutil.which("haproxy")
        assert program, "There is no haproxy on the PATH: apt-get install haproxy"
        path = self.folder / "haproxy.cfg"
        path.write_text(self.configuration())
        if self.setting.authority:
            (self.folder / "authority.pem").write_text(self.setting.authority)
        if self.setting.ends_tls:
            # Clients of the tests take any certificate; which one it has is between a cloud and its customer.
            (self.folder / "clients.pem").write_text("".join(for_names(["standin.example.test"])))
        return [program, "-db", "-f", str(path)]

    def configuration(self) -> str:
        """HAProxy's own words for the setting."""
        it = self.setting
        lines = [
            "global", f"  stats socket {self.folder}/haproxy.sock mode 600 level admin", "defaults", f"  mode {it.layer}", "  retries 0",
            "  timeout connect 2s", "  timeout client 15s", "  timeout server 15s", f"  timeout check {int(INTERVAL * 1000)}ms",
            "frontend clients", *self._listeners(), *self._headers(), "  default_backend gateway",
            "backend gateway", "  balance roundrobin", *self._checks(),
        ]
        return "\n".join([*lines, *(f"  server {self._server(item)}" for item in it.targets), ""])

    def _listeners(self) -> list[str]:
        it, lines = self.setting, [f"  bind {self.network.address}:{PORT}"]
        lines += [f"  bind {self.network.address}:{TLS_PORT} ssl crt {self.folder}/clients.pem"] if it.ends_tls else []
        return [*lines, *(["  http-request redirect scheme https code 301 unless { ssl_fc }"] if it.redirects else [])]

    def _headers(self) -> list[str]:
        it, name = self.setting, "X-Forwarded-For"
        if it.layer == "tcp":
            return []
        added = ("%[src]:%[src_port]" if it.ports else "%[src]") + (f", {it.second}" if it.second else "")
        lines = [f"  http-request set-header {key} {value}" for key, value in it.headers]
        lines += [f"  http-request set-header Host {it.host}"] if it.host else []
        if it.forwarded != "none":
            lines += [f"  http-request set-header X-Forwarded-Proto {word} if {test}"
                      for word, test in (("https", "{ ssl_fc }"), ("http", "!{ ssl_fc }"))]  # fmt: skip
        if it.forwarded == "append":
            # What the client sent stays, in the same line and before what is added.
            lines += [f'  http-request set-var(txn.had) req.fhdr({name}) if {{ req.hdr({name}) -m found }}',
                      f'  http-request set-header {name} "%[var(txn.had)], {added}" if {{ req.hdr({name}) -m found }}',
                      f'  http-request set-header {name} "{added}" if !{{ var(txn.had) -m found }}']  # fmt: skip
        elif it.forwarded == "replace":
            lines += [f'  http-request set-header {name} "{added}"']
        return lines

    def _checks(self) -> list[str]:
        it = self.setting
        if it.check not in ("http", "https"):
            return []
        # Envoy answers HTTP/1.0 with 426; clouds check with HTTP/1.1.
        asked = f"  http-check send meth GET uri {it.check_path} ver HTTP/1.1 hdr Host {it.host or 'check'}"
        return ["  option httpchk", asked, f"  http-check expect status {it.check_status}"]

    def _server(self, target: Target) -> str:
        it, words = self.setting, [target.name, f"{target.address}:{target.port}"]
        if it.tls:
            words += ["ssl", *(["alpn", "h2"] if it.http2 else [])]
            named = it.server_name not in ("never", "host")
            words += ["sni", f"str({it.server_name})"] if named else ["sni", "req.hdr(host)"] if it.server_name == "host" else []
            verified = ["verify", "required", "ca-file", f"{self.folder}/authority.pem", "verifyhost", it.server_name]
            words += verified if it.authority else ["verify", "none"]
            words += ["check-ssl", *(["check-sni", it.server_name] if named else [])] if it.check == "https" else []
        if it.proxy:
            words += ["send-proxy" if it.proxy == 1 else "send-proxy-v2"]
        if it.check != "none":
            milliseconds = int(INTERVAL * 1000)
            words += ["check", "inter", f"{milliseconds}ms", "fall", "2", "rise", "2"]
            words += [] if it.drains else ["on-marked-down", "shutdown-sessions"]
            words += ["addr", target.check_address or target.address, "port", str(target.check_port or target.port)]
            words += ["check-send-proxy"] if it.check_proxy else []
        return " ".join(words)

    def states(self) -> dict[str, str]:
        found = {}
        for line in self._ask("show stat").splitlines():
            fields = line.split(",")
            if len(fields) > 17 and fields[0] == "gateway" and fields[1] != "BACKEND":
                state = fields[17]
                found[fields[1]] = state if state in ("UP", "DOWN", "no check") else "UP" if state.startswith("UP") else "DOWN"
        return found

    def take_out(self, name: str) -> float:
        self._ask(f"set server gateway/{name} state drain")
        return time.time()

    def _ask(self, words: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(f"{self.folder}/haproxy.sock")
            except OSError:
                return ""
            connection.sendall(f"{words}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


class Forwarder(StandIn):
    """nftables: packets go on with the client's address; a program in the namespace checks the targets and writes the rules."""

    def command(self) -> list[str]:
        path = self.folder / "forwarder.json"
        targets = [vars(item) for item in self.setting.targets]
        path.write_text(json.dumps({
            "address": self.network.address, "port": PORT, "interval": INTERVAL, "targets": targets, "path": self.setting.check_path,
            "check": self.setting.check, "proxy": self.setting.check_proxy, "states": str(self.folder / "states.json"),
            "taken_out": str(self.folder / "taken-out"),
        }))  # fmt: skip
        return [sys.executable, str(HERE / "forwarder.py"), str(path)]

    def states(self) -> dict[str, str]:
        path = self.folder / "states.json"
        found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def take_out(self, name: str) -> float:
        (self.folder / "taken-out").write_text(name)
        return self.wait_until("DOWN", name)

    def clean(self) -> None:
        """The rules are the namespace's, not the program's."""
        subprocess.run([*self.network.inside, "nft", "delete", "table", "ip", "standin"], check=True)


def stand_in(setting: Setting, network: Network, folder: Path) -> StandIn:
    """The form that does what is asked."""
    return (Forwarder if setting.keeps_source else Proxy)(setting, network, folder)
