# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of the collection says about itself."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes; a module that differs documents its own support beside the fragment."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return what it would change, without writing anything anywhere.
  diff_mode:
    support: full
    description: Returns what has changed, or would change in C(check_mode), when in diff mode.
  idempotent:
    support: full
    description: When run twice in a row outside C(check_mode) with the same options, the second run changes nothing.
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode). It never changes anything.
  diff_mode:
    support: N/A
    description: Returns what has changed, or would change in C(check_mode), when in diff mode. It never changes anything.
  idempotent:
    support: full
    description: When run twice in a row outside C(check_mode) with the same options, the second run changes nothing.
"""

    ACTION_GROUP = r"""
options: {}
attributes:
  action_group:
    support: full
    description: Use C(group/meshlb.istio.meshlb) in C(module_defaults) to set options for all modules of this collection.
    membership:
      - meshlb.istio.meshlb
"""
