#!/usr/bin/env bash
# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Everything that reads the files without running them.
set -uo pipefail
. "$(dirname "$0")/../checks.sh"
needs_tools
tree=$(python tests/tools/stage_collection.py link)
export ANSIBLE_COLLECTIONS_PATH=$tree

# Files that git would commit, by how their name ends.
files() { git ls-files --cached --others --exclude-standard -- "$@" 2>/dev/null | while read -r name; do [ -f "$name" ] && printf '%s\n' "$name"; done; }

# Shell files have the ending, or say in their first line what they are.
shell_files() {
    files '*.sh'
    files ':!*.*' '.ci/*' | while read -r name; do
        if head -c 64 "$name" | head -n 1 | grep -qaE '^#!.*[/ ](ba)?sh( |$)'; then printf '%s\n' "$name"; fi
    done
}

run_shellcheck() { shell_files | sort -u | xargs -r -d '\n' shellcheck --external-sources --source-path=SCRIPTDIR; }

run_mypy() {
    local collection=ansible_collections/meshlb/istio names=() folder
    # Modules are named the way Python imports them; the folder that holds the tree is where that name begins.
    for folder in module_utils modules filter inventory; do
        if [ -n "$(files "plugins/$folder/*.py")" ]; then names+=("$collection/plugins/$folder"); fi
    done
    if [ ${#names[@]} -gt 0 ]; then
        (cd "$tree" && MYPYPATH=$tree mypy --config-file "$MESHLB_ROOT/pyproject.toml" \
            --cache-dir "$MESHLB_CACHE/mypy/$(basename "$(dirname "$tree")")" "${names[@]}") || return
    else
        echo "note: there are no plugins yet"
    fi
    mypy --cache-dir "$MESHLB_CACHE/mypy/tools" -p tests.tools -p tests.integration || return
    MYPYPATH=$tree mypy --cache-dir "$MESHLB_CACHE/mypy/oracle-$(basename "$(dirname "$tree")")" -p tests.oracle || return
    MYPYPATH=lab mypy --cache-dir "$MESHLB_CACHE/mypy/lab" -p meshlab
}

# The linter finds the collection under the name that Python imports it by.
run_import_linter() { PYTHONPATH=$tree lint-imports --no-cache --no-logo pyproject.toml; }

# ansible-lint is told to stay off the network and finds its collections in the tree.
run_ansible_lint() { ANSIBLE_HOME=$MESHLB_CACHE/ansible NO_COLOR=1 ansible-lint --offline --profile production --strict; }

run_docs_lint() {
    if [ -z "$(files "plugins/modules/*.py" "roles/*")" ]; then
        echo "note: there is nothing to document yet"
        return
    fi
    (cd "$tree/ansible_collections/meshlb/istio" && antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=dependent .)
}

check "ruff" ruff check --no-fix .
check "mypy" run_mypy
check "imports" run_import_linter
check "ansible-lint" run_ansible_lint
check "yamllint" yamllint --strict .
check "shellcheck" run_shellcheck
check "antsibull-docs" run_docs_lint
check "changelog" antsibull-changelog lint
check "licences (reuse)" reuse lint --quiet
check "repository rules" python -m tests.tools.repo_rules
check "generated documents" python -m tests.tools.generate_docs --check
checks_end lint
