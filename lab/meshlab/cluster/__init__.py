# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""One cluster: its network namespace, certificates, processes, health and removal."""
