# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests on a real cluster share: the cluster, its objects, requests through its load balancer, and runs of modules."""
