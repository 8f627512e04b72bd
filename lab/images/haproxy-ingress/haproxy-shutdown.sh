#!/bin/sh
# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

# The controller runs this; the script of its module has no right to be executed in the image.
exec sh /opt/haproxy-ingress/haproxy-shutdown.sh "$@"
