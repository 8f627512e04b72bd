# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers that the lab runs on request: MESHLB_VENDORS names those whose tests are to run."""
