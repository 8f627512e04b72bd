# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pages that are written from the code, so that they cannot say something else than the code does.

A new kind of page is a module with a function that takes the checkout and returns texts by path, and a line in
__main__.py's table. A generator whose source is not there yet returns nothing.
"""
