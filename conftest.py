# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes `import ansible_collections.meshlb.istio...` work for every test, however pytest was started."""

from __future__ import annotations

import os
import sys

from tests.tools.stage_collection import stage

_tree = str(stage("link"))
if _tree not in sys.path:
    sys.path.insert(0, _tree)
# For tests that start ansible itself.
os.environ.setdefault("ANSIBLE_COLLECTIONS_PATH", _tree)
