# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A one-node Kubernetes and Istio cluster on a plain Debian machine, without Docker and without a registry."""
