# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Istio's own settings, as ConfigMaps hold them: typed as far as they are used, and what is wrong with them.

Source: istio/istio pkg/config/mesh (the mesh configuration, which istiod refuses as a whole where a field has another type) and the
values that istiod's chart gives its injector.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..core.interception import SETTINGS
from ..kube import kinds
from ..kube.objects import Obj, dig
from ..kube.reading import misread_map
from ..kube.shapes import Fault, Shape, shape
from ..kube.snapshot import Unreadable
from ..kube.yaml_text import yaml_map

KINDS = (kinds.DEPLOYMENT, kinds.CONFIG_MAP, kinds.WEBHOOK)
"""Kinds that say which ConfigMaps hold settings, and what they say."""


@dataclass(frozen=True)
class SettingsKey:
    """Where settings are: the ConfigMap's name for the default revision, and its key. ``shape`` has the types of the fields in use."""

    name: str
    key: str
    shape: Shape


@dataclass(frozen=True)
class Told:
    """What a ConfigMap says, without what is wrong with it. ``misread`` says what that is, ``None`` where nothing is."""

    values: Obj = field(default_factory=dict)
    misread: Unreadable | None = None


MESH = SettingsKey("istio", "mesh", shape("""
    trustDomain rootNamespace enableAutoMtls? outboundTrafficPolicy{mode}
    defaultServiceExportTo[] defaultVirtualServiceExportTo[] defaultDestinationRuleExportTo[]
    defaultConfig{interceptionMode gatewayTopology{numTrustedProxies% proxyProtocol{}}}
    discoverySelectors[]{matchLabels= matchExpressions[]{key operator values[]}}
    serviceSettings[]{settings{clusterLocal?} hosts[]}
"""))  # fmt: skip
"""The mesh configuration."""
NETWORKS = SettingsKey("istio", "meshNetworks", shape("networks{}"))
"""The networks of a mesh of several clusters, in the same ConfigMap."""
INJECTOR = SettingsKey("istio-sidecar-injector", "values", shape(
    "pilot{cni{enabled?}} istio_cni{enabled?} global{proxy{clusterDomain "
    + " ".join(f"{names.value}%" for names in SETTINGS.values() if names.value) + "}}"
))  # fmt: skip
"""The values of the injector, of which ``SETTINGS`` names those about interception."""


def told(config_map: Obj | None, where: SettingsKey) -> Told:
    """What a ConfigMap says; nothing where there is none, or where it lacks the key, as Istio then has its defaults."""
    text = dig(config_map, "data", where.key, default="") if config_map else ""
    if config_map is None or not text:
        return Told()
    values: Any = {}
    faults: list[Any] = []
    try:
        values = yaml_map(text)
    except ValueError as error:
        faults.append(f"data.{where.key} is no YAML map that is followed: {error}")
    if not where.shape.fits(values):
        wrong: list[Fault] = []
        values = where.shape.mend(values, ("data", where.key), wrong)
        faults += wrong
    return Told(values, misread_map(config_map, map(str, faults)) if faults else None)


def merged(own: Told, shared: Told) -> Told:
    """Settings that a user may write, below those that came with the installation, as istiod puts the two together."""
    return Told(_over(own.values, shared.values), own.misread or shared.misread)


def _over(own: Obj, shared: Obj) -> Obj:
    both = {key: _over(own[key], value) for key, value in shared.items() if isinstance(own.get(key), dict) and isinstance(value, dict)}
    return {**shared, **own, **both}
