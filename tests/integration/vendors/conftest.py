# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Only the load balancers that are asked for, because the lab builds and runs them on request."""

from __future__ import annotations

import os
from pathlib import Path

WANTED = {name.strip() for name in os.environ.get("MESHLB_VENDORS", "").split(",")}
collect_ignore = [path.name for path in Path(__file__).parent.glob("test_*.py") if path.stem.removeprefix("test_") not in WANTED]
