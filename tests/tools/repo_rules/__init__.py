# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules of this repository that no general tool knows. Each rule takes a Repository and yields Problems."""
