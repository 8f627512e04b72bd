# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs in which one tenant's sidecar, route or backend misbehaves, and what the others still have to get."""

from __future__ import annotations

import http.server
import socketserver
import threading

from . import clusters as c
from . import envoy
from .core import SECONDS, cheap, demand, footing
from .product import short

PAGE = {
    "nginx.ingress.kubernetes.io/service-upstream": "true",
    "nginx.ingress.kubernetes.io/upstream-vhost": "web.victim.svc.cluster.local",
}
SERVICE_UPSTREAM = {"nginx.ingress.kubernetes.io/service-upstream": "true"}


def tenants_route(path="/", host="z.example.com"):
    return c.ingress("zz", "tenant-z", host, "evil", path=path, annotations=SERVICE_UPSTREAM)


def victims(run):
    found = [item for item in run.routes if (item.get("object") or {}).get("namespace") == "victim"]
    return found[0] if found else {}


def proven_for_others(t, own, regex="", odd=None, timeout=100, objects=None, **args):
    """Demand that a proof ends, cheaply, and that the victim's route is proven although the tenant's side misbehaves.

    ``own``: the tenant's route. ``odd``: answers of the tenant's sidecars. Gives the run.
    """
    args.setdefault("methods", ["configuration"])
    server = t.server(objects or c.plain(own, victim=PAGE))
    server.exec = envoy.Sidecars(envoy.two_tenants(), counted=["outbound|80||web.victim.svc.cluster.local"])
    honest = t.memo(("proof", str(sorted(args["methods"]))), lambda: t.live("mtls_proof", server, methods=["configuration"]))
    footing(honest.ok and victims(honest).get("verdict") == "mutual_tls", f"the honest proof: {honest.say()}")
    server.exec = envoy.Sidecars(envoy.two_tenants(regex), odd=odd, counted=["outbound|80||web.victim.svc.cluster.local"])
    run = t.live("mtls_proof", server, timeout=timeout, cpu=SECONDS, **args)
    cheap(run, "the proof")
    demand(run.ok, f"the tenant's side stopped the proof of everybody: {run.say()}")
    found = victims(run).get("verdict")
    demand(found == "mutual_tls", f"the victim's route is {found or 'missing'} because of the tenant's side")
    return run


def prepared(t, ways, odd=None):
    """A cluster of two tenants whose sidecars can be asked in these ways only."""
    server = t.server(c.plain(tenants_route(), victim=PAGE))
    server.exec = envoy.Sidecars(envoy.two_tenants(), odd=odd, counted=["outbound|80||web.victim.svc.cluster.local"])
    server.ways = ways
    return server


def victim_is_proven(t, server):
    """Demand that a proof ends, cheaply, and proves the victim's route."""
    run = t.live("mtls_proof", server, timeout=100, cpu=SECONDS, methods=["configuration"])
    cheap(run, "the proof")
    demand(run.ok or run.failed, run.say())
    found = victims(run)
    demand(
        found.get("verdict") == "mutual_tls",
        f"the victim's route is {found.get('verdict', 'missing')}; {short(run.told or run.say(), 160)}",
    )


def proven_with(t, ways, odd=None):
    """Demand that the victim's route is proven where sidecars can be asked in these ways only."""
    victim_is_proven(t, prepared(t, ways, odd))


class LoadBalancer:
    """What answers at the load balancer's address. ``answer(handler)`` is called for each request."""

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                answer(self)

            def log_message(self, *_args):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True

            def handle_error(self, *_args):
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
