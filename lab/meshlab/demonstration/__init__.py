# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The demonstration: a route that fails under STRICT, the playbook, the proof, and the way back, each step checked."""
