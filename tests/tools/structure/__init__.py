# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measures the structure of the plugins: what no rule can decide, but a reorganisation should improve."""
