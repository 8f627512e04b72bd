# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers in the cluster, chained to a real Istio gateway. MESHLB_CHAINED names them (``fronts.py``)."""
