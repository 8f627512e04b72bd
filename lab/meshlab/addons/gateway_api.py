# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Gateway API's kinds, every one of them: the experimental set, which Istio and most load balancers know.

Only kinds: istiod makes its own classes when it sees them. The set's guard against older or narrower sets is left out, as
load balancers bring sets of their own age.
"""

from pathlib import Path
from typing import Final

from meshlab.addons.base import Addon
from meshlab.build.specs import Asset, Program
from meshlab.cluster.kubectl import kubectl
from meshlab.cluster.record import Cluster

PROGRAM: Final = Program(
    name="gateway-api",
    packages={},
    assets=(Asset("sigs.k8s.io/gateway-api", "config/crd/experimental", "kinds"),),
)
GUARD: Final = "vap_safeupgrades"
KINDS: Final = ("gatewayclasses", "gateways", "httproutes", "grpcroutes", "tcproutes", "tlsroutes", "referencegrants")


def files(folder: Path) -> list[Path]:
    """The files of a set that define kinds."""
    return [path for path in sorted(folder.glob("gateway.networking.*.yaml")) if GUARD not in path.name]


def install(cluster: Cluster) -> None:
    """Apply the kinds and wait until they are served."""
    words = [word for path in files(PROGRAM.artifact.folder / "assets" / "kinds") for word in ("-f", path)]
    kubectl(cluster, "apply", "--server-side", "--force-conflicts", *words)
    names = [f"crd/{kind}.gateway.networking.k8s.io" for kind in KINDS]
    kubectl(cluster, "wait", "--for=condition=Established", "--timeout=60s", *names)


ADDON: Final = Addon(name="gateway-api", install=install, programs=(PROGRAM,))
