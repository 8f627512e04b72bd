# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that Skipper was started with."""

from __future__ import annotations

from dataclasses import dataclass

from ...kube.objects import Obj, argument
from ..contract.instances import Neighbours
from ..kit.annotations import flag_is_on


@dataclass(frozen=True)
class Settings:
    """``ingress_class`` and ``group_class`` are regular expressions over names of classes. ``namespace`` is the only one watched, or empty.

    ``adds_client``: it adds every client to X-Forwarded-For. ``insecure``: it verifies no certificate of a backend.
    """

    ingress_class: str = "skipper"
    group_class: str = "skipper"
    namespace: str = ""
    preserve_host: bool = False
    force_service: bool = False
    adds_client: bool = False
    insecure: bool = False
    endpoint_slices: bool = False
    path_mode: str = ""


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """What its command line says."""
    headers = (argument(container, "forwarded-headers") or "").split(",")
    return Settings(
        argument(container, "kubernetes-ingress-class") or "skipper",
        argument(container, "kubernetes-routegroup-class") or "skipper",
        argument(container, "kubernetes-namespace") or "",
        preserve_host=flag_is_on(container, "proxy-preserve-host"),
        force_service=flag_is_on(container, "kubernetes-force-service"),
        adds_client="X-Forwarded-For" in headers and argument(container, "forwarded-headers-exclude-cidrs") is None,
        insecure=flag_is_on(container, "insecure"),
        endpoint_slices=flag_is_on(container, "enable-kubernetes-endpointslices"),
        path_mode=argument(container, "kubernetes-path-mode") or "",
    )
