#!/usr/bin/env bash
# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Builds the archive out of what git would commit, looks at what is in it, and has the importer of Galaxy judge it.
set -uo pipefail
. "$(dirname "$0")/../checks.sh"
needs_tools
tree=$(python tests/tools/stage_collection.py copy)
output=$(dirname "$tree")/dist
rm -rf "$output"
mkdir -p "$output"
export ANSIBLE_HOME=$MESHLB_CACHE/ansible

build() { (cd "$tree/ansible_collections/meshlb/istio" && ansible-galaxy collection build --force --output-path "$output"); }

# The archive installs without the network, and what it installs answers.
install() {
    local target=$output/installed
    ansible-galaxy collection install --offline --no-deps --force --collections-path "$target" "$output"/meshlb-istio-*.tar.gz &&
        ansible-galaxy collection list --collections-path "$target" meshlb.istio | grep meshlb.istio
}

check "archive" build
check "what is in it" python -m tests.tools.check_archive "$output"
check "installs" install
check "galaxy-importer" python -m tests.tools.check_importer "$output"
if checks_clean; then echo "  archive: $(basename "$output"/meshlb-istio-*.tar.gz)"; fi
checks_end build
