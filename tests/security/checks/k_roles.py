# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""H3: a tenant's object or workload stops no role half-way: everything else is done, and the role then fails."""

import copy

from tests.security.checks.k_notes import TWIN, noting, ours
from tests.security.kit import clusters as c
from tests.security.kit import tenant as tz
from tests.security.kit.core import check, demand, listed, ref

ROLES = "meshlb.istio"


def play(server, role, **given):
    """A play that runs a role against a server."""
    values = {f"{role}_{key}": value for key, value in {"connection": {"host": server.url, "api_key": "checks"}, **given}.items()}
    tasks = [{"name": "it", "ansible.builtin.import_role": {"name": f"{ROLES}.{role}"}, "vars": values}]
    return [{"hosts": "localhost", "gather_facts": False, "connection": "local", "tasks": tasks}]


def rolled_out(objects):
    """The same, where the load balancer's rollout is complete."""
    made = copy.deepcopy(objects)
    for item in made:
        if ref(item) == ("Deployment", *c.LB_NAME.split("/")):
            done = {key: 1 for key in ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas")}
            item["metadata"]["generation"], item["status"] = 1, done
    return made


@check("H3-note-and-the-rollback-role", "A tenant's note of a kind that is not served keeps the role from taking back nothing else.")
def h3_note_and_the_rollback_role(t):
    done = t.done("plain-own-headless_twin", c.plain(c.OWN), **TWIN)
    forged, mine = noting(done, "tenant-z", route_kinds="IngressRoute.traefik.io")
    server = t.server(rolled_out(forged))
    run = t.product.playbook(play(server, "istio_standalone_mtls", state="absent", wait_timeout=5))
    left = [ref(item) for item in ours(server.objects()) if ref(item) not in set(map(ref, mine))]
    demand(not left, f"it left {listed('/'.join(item) for item in left)}: {run.out[-500:]}")
    demand("left undone" in run.out, f"the role does not fail for what is left: {run.out[-500:]}")
    demand("Take each load balancer" in run.out, "the sidecars were not taken away")


@check("H3-look-alike-and-the-role", "A tenant's look-alike that never becomes ready keeps no route of others from being planned.")
def h3_look_alike_and_the_role(t):
    server = t.server(rolled_out([*c.plain(), *tz.look_alike(sidecar=False)]))
    given = {"wait_timeout": 2, "prove": False, **TWIN}
    run = t.product.playbook(play(server, "istio_standalone_mtls", **given))
    made = [ref(item) for item in ours(server.objects()) if item["metadata"]["namespace"] == "victim"]
    demand(made, f"nothing was written for the victim: {run.out[-800:]}")
    demand("Without a sidecar" in run.out and "tenant-z/fake" in run.out, f"the tenant's workload is not named: {run.out[-500:]}")
