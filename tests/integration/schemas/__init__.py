# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers that cannot run on the lab: MESHLB_SCHEMAS asks for them."""
