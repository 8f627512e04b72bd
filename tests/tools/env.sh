# shellcheck shell=bash
# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Where the tools live. Sourced by every script of the tool chain; changes nothing but variables.
# The cache lies outside the checkout, so that a fresh clone finds the tools that another one installed.

MESHLB_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
MESHLB_CACHE=${MESHLB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/meshlb}

# The first Python on the path that can run ansible-core 2.19; PYTHON overrides.
meshlb_python() {
    local name
    for name in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# One virtual environment per pinned list and Python version: a changed pin makes a new one and never mixes with the old.
meshlb_venv() {
    local python version
    python=$(meshlb_python) || return 1
    version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
    printf '%s/venv-%s-%s\n' "$MESHLB_CACHE" "$version" "$(sha256sum <"$MESHLB_ROOT/requirements/dev.txt" | cut -c1-12)"
}

MESHLB_VENV=$(meshlb_venv || true)
export MESHLB_ROOT MESHLB_CACHE MESHLB_VENV
if [ -n "$MESHLB_VENV" ]; then
    PATH=$MESHLB_VENV/bin:$PATH
    export PATH
fi
# Tools must not ask the network for what they were not told to fetch, nor colour what a log keeps.
export ANSIBLE_NOCOWS=1 ANSIBLE_GALAXY_DISABLE_GPG_VERIFY=1 PIP_DISABLE_PIP_VERSION_CHECK=1
