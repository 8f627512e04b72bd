# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Alibaba Cloud's load balancers share: how its nodes are known, and whether pods or nodes are their servers."""

from __future__ import annotations

from ..contract.facts import ChainOption

BACKEND_TYPE = "service.beta.kubernetes.io/backend-type"
NODES = ("alicloud://", "cn-", "ap-", "us-", "eu-", "me-", "na-")
"""Beginnings of providerIDs: with a scheme, or the region before a dot and the instance's id."""
TARGETS = ChainOption("targets", "Whether it sends to pods (the default, needs Terway) or to nodes.", ("pods", "nodes"))
