# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can run on the cluster, one file each. To add a vendor: write its file and name it in the table below."""

from meshlab.addons import (
    contour,
    coredns,
    demo,
    emissary,
    envoy_gateway,
    gateway_api,
    haproxy_ingress,
    ingress_nginx,
    istio,
    istio_gateway,
    skipper,
    traefik,
)
from meshlab.addons.base import Addon
from meshlab.errors import UsageError

#: Every addon, in the order of installation.
ADDONS: dict[str, Addon] = {
    addon.name: addon
    for addon in (
        coredns.ADDON,
        istio.ADDON,
        demo.ADDON,
        gateway_api.ADDON,
        istio_gateway.ADDON,
        ingress_nginx.ADDON,
        emissary.ADDON,
        traefik.ADDON,
        haproxy_ingress.ADDON,
        contour.ADDON,
        envoy_gateway.ADDON,
        skipper.ADDON,
    )
}


def optional() -> list[str]:
    """Names that --with and --prepare accept."""
    return [name for name, addon in ADDONS.items() if not addon.always]


def parse_names(text: str) -> list[str]:
    """Addon names from a comma-separated list, checked."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in optional():
            raise UsageError(f"unknown addon {name!r}; known are: {', '.join(optional())}")
    return names


def select(*groups: list[str]) -> list[Addon]:
    """The addons that always run, the named ones and what those need, in the order of installation."""
    wanted = {name for group in groups for name in group}
    wanted |= {need for name in wanted if name in ADDONS for need in ADDONS[name].needs}
    return [addon for name, addon in ADDONS.items() if addon.always or name in wanted]
