# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Only where MESHLB_SCHEMAS is set, because they need the Gateway API's kinds on the lab, and bring many more."""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.environ.get("MESHLB_SCHEMAS") else ["test_*.py"]
