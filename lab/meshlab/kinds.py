# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""CustomResourceDefinitions of load balancers that cannot run here, from their vendors' own Go modules; a folder each.

Nothing is installed: tests put them on the cluster while they need them.
"""

from pathlib import Path
from typing import Final

from meshlab.build import builder
from meshlab.build.specs import Asset, Program
from meshlab.progress import Progress

FILES: Final = Program(
    name="kinds",
    packages={},
    assets=(
        Asset("github.com/GoogleCloudPlatform/gke-gateway-api", "config/crd", "gke-gateway"),
        Asset("github.com/GoogleCloudPlatform/gke-managed-certs", "deploy/managedcertificates-crd.yaml", "gke-managed-certs/kinds.yaml"),
        Asset("sigs.k8s.io/aws-load-balancer-controller", "config/crd/gateway", "aws-load-balancer-controller"),
        Asset(
            "github.com/F5Networks/k8s-bigip-ctlr/v2",
            "docs/config_examples/customResourceDefinitions/customresourcedefinitions.yml",
            "f5-cis/kinds.yaml",
        ),
        Asset("github.com/openshift/api", "route/v1/zz_generated.crd-manifests/routes.crd.yaml", "openshift/kinds.yaml"),
    ),
)
#: Its controller makes its kinds from its types, and has no file of them.
INGRESS_GCE: Final = Program(
    name="ingress-gce", packages={"kinds": "."}, prints={"gke-ingress/kinds.yaml": "kinds"}, minutes=1, disk_gb=0.5
)
PROGRAMS: Final = (FILES, INGRESS_GCE)


def folders() -> dict[str, Path]:
    """The folders that are there, by name."""
    roots = [program.artifact.folder / "assets" for program in PROGRAMS if program.artifact.ready]
    return {path.name: path for root in roots for path in sorted(root.iterdir())}


def build(keep_caches: bool) -> None:
    """Get what is not there yet."""
    missing = builder.missing(PROGRAMS)
    builder.mark_used(PROGRAMS)
    if missing:
        builder.build_all(missing, Progress(len(missing)), keep_caches)
