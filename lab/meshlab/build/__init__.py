# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Building what the lab runs: Go programs, image layers, images; all cached by a key of their inputs."""
