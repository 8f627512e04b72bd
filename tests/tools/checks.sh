# shellcheck shell=bash
# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
#
# How a stage counts and tells. Sourced by the files in stages/. A check that passes says so in one line; one that fails
# shows all that it printed. The closing line is what run-stages adds up.

. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$MESHLB_ROOT" || exit 1
checks_passed=0
checks_failed=0
checks_log=$(mktemp)
trap 'rm -f "$checks_log"' EXIT

# check LABEL COMMAND...
check() {
    local label=$1 started=$SECONDS
    shift
    if "$@" >"$checks_log" 2>&1 </dev/null; then
        checks_passed=$((checks_passed + 1))
        printf '  ok      %-28s %3ss\n' "$label" "$((SECONDS - started))"
        # A check that leaves something out has to say it also when it passes.
        sed -n 's/^note: /          note: /p' "$checks_log"
    else
        checks_failed=$((checks_failed + 1))
        printf '  FAILED  %-28s %3ss\n' "$label" "$((SECONDS - started))"
        sed 's/^/          /' "$checks_log"
    fi
}

# needs_tools: without them there is nothing to check with.
needs_tools() {
    if [ ! -e "$MESHLB_VENV/.complete" ]; then
        echo "The tools are not installed. Run: make deps" >&2
        exit 1
    fi
}

# show COMMAND...: runs it in the open and keeps what it printed, for a tool that counts by itself.
show() {
    "$@" </dev/null 2>&1 | tee "$checks_log"
    return "${PIPESTATUS[0]}"
}

# shown PATTERN: what show kept and the pattern fits, one match to a line.
shown() { grep -oE "$1" "$checks_log"; }

# checks_count PASSED FAILED STATUS: takes over a tool's own numbers. One that fails without saying of what has failed once.
checks_count() {
    checks_passed=$((checks_passed + ${1:-0}))
    checks_failed=$((checks_failed + ${2:-0}))
    if [ "$3" -ne 0 ] && [ "$checks_failed" -eq 0 ]; then checks_failed=1; fi
}

# checks_clean: nothing has failed so far.
checks_clean() { [ "$checks_failed" -eq 0 ]; }

# checks_end STAGE
checks_end() {
    printf '%s: %d passed, %d failed\n' "$1" "$checks_passed" "$checks_failed"
    [ "$checks_failed" -eq 0 ] && [ "$checks_passed" -gt 0 ]
}
