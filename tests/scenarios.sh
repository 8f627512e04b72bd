#!/usr/bin/env bash
# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Everything that is shown on a real cluster: the Molecule scenarios and the integration tests, one after the other on one lab.
# The last line counts them. Arguments choose: names of scenarios, "integration", "measured" (which writes docs/measured.md),
# "matrix_NAME" (the matrix of a load balancer that the lab builds on request), "vendors": scenario and matrix of every one of
# those and "schemas" (load balancers that cannot run, by their own schemas), "clouds": stand-ins for load balancers of clouds,
# before Istio's gateway, "clouds_few": three of them, and every object for a cloud by the vendors' own schemas, and "chained":
# load balancers of the lab before it, "chaos": attacks and accidents, "chaos_few": one of each kind,
# "rolling": a backend's pods are replaced under load, with each strategy.
# Without any: the scenarios of ingress-nginx, one of another load balancer, the integration tests, chaos_few and clouds_few.
#
#   MESHLB_CHAINED_PAGE=docs/chained.md  "chained" writes that page of what became of requests
#   MESHLB_ROLLING_PAGE=docs/rolling.md  "rolling" writes that page
#   MESHLB_KUBECONFIG  use that cluster instead of the lab; nothing is started or removed
#   MESHLB_LAB_NAME    name of the lab's cluster (default: scenarios)
#   MESHLB_KEEP_LAB=1  leave the lab running afterwards
set -uo pipefail
. "$(dirname "$0")/tools/env.sh"
cd "$MESHLB_ROOT" || exit 1
export MESHLB_LAB_NAME=${MESHLB_LAB_NAME:-scenarios}
ANSIBLE_COLLECTIONS_PATH=${ANSIBLE_COLLECTIONS_PATH:-$(python tests/tools/stage_collection.py link)}
# Molecule's own folders lie beside the tools, and no variable of the caller's shell points Ansible at another cluster.
ANSIBLE_HOME=$MESHLB_CACHE/ansible
export ANSIBLE_COLLECTIONS_PATH ANSIBLE_HOME NO_COLOR=1 PYTHONDONTWRITEBYTECODE=1 ANSIBLE_LOCALHOST_WARNING=0
unset KUBECONFIG K8S_AUTH_KUBECONFIG K8S_AUTH_CONTEXT K8S_AUTH_HOST
passed=0
failed=0
logs=$(mktemp -d)

say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"; }

finish() {
    local status=$?
    trap - EXIT INT TERM
    if [ "${MESHLB_KEEP_LAB:-}" = 1 ]; then
        say "the lab stays: python3 lab/lab down --name $MESHLB_LAB_NAME"
    elif [ -z "${MESHLB_KUBECONFIG:-}" ]; then
        python lab/lab down --name "$MESHLB_LAB_NAME" || failed=$((failed + 1))
    fi
    rm -rf "$logs"
    say "all of it took $SECONDS s"
    echo "$passed passed, $failed failed"
    if [ "$status" -eq 0 ] && [ "$failed" -gt 0 ]; then status=1; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# step LABEL LOG COMMAND...: runs it, shows its steps as they come, and all of it when it fails.
step() {
    local label=$1 log=$2 started=$SECONDS
    shift 2
    say "$label ..."
    if "$@" >"$log" 2>&1 </dev/null; then
        say "$label: passed after $((SECONDS - started)) s"
        return 0
    fi
    say "$label: FAILED after $((SECONDS - started)) s"
    sed 's/^/    /' "$log"
    return 1
}

scenario() {
    if step "scenario $1" "$logs/$1" molecule test --scenario-name "$1"; then
        passed=$((passed + 1))
        # What was planned and seen, route by route.
        awk '/^TASK/ { shown = /Show the answers/ } shown && /^ {8}"/ { gsub(/^ +"|",?$/, ""); print "    " $0 }' "$logs/$1"
    else
        failed=$((failed + 1))
    fi
}

# integration FILE...: tests that pytest counts.
integration() {
    local log=$logs/integration closing
    step "integration tests" "$log" python -m pytest -q -s --durations=10 "$@" || true
    grep -E '^\| ' "$log"
    closing=$(grep -E '(passed|failed|error).* in [0-9.]+s' "$log" | tail -n 1)
    say "integration tests: ${closing:-no result}"
    if [ -z "$closing" ]; then failed=$((failed + 1)); fi
    passed=$((passed + $(number passed "$closing")))
    failed=$((failed + $(number failed "$closing") + $(number 'errors?' "$closing")))
}

# matrix NAME: predictions and measurements for the routes of a load balancer, which the lab builds and installs for it.
matrix() {
    if step "lab with ${1//_/-}" "$logs/lab-$1" python lab/lab up --name "$MESHLB_LAB_NAME" --with "${1//_/-}"; then
        MESHLB_VENDORS=$1 integration tests/integration/vendors
    else
        failed=$((failed + 1))
    fi
}

# clouds NAMES: stand-ins, by their scenarios' names (1: all). HAProxy stands in for load balancers that are proxies.
clouds() {
    command -v haproxy >/dev/null || apt-get install -qq -y --no-install-recommends haproxy </dev/null >"$logs/haproxy" 2>&1
    if step "lab with istio-gateway" "$logs/lab-clouds" python lab/lab up --name "$MESHLB_LAB_NAME" --with istio-gateway,gateway-api; then
        MESHLB_CLOUDS=$1 integration tests/integration/clouds
    else
        failed=$((failed + 1))
    fi
}

# chained: load balancers that the lab runs, before Istio's gateway.
chained() {
    local addons=ingress-nginx,gateway-api,haproxy-ingress,traefik,emissary,contour,envoy-gateway,skipper
    local fronts=ingress_nginx,haproxy_ingress,traefik,emissary,contour,contour_ingress,envoy_gateway,skipper,skipper_groups
    if step "lab with $addons" "$logs/lab-chained" python lab/lab up --name "$MESHLB_LAB_NAME" --with "$addons"; then
        MESHLB_CHAINED=${MESHLB_CHAINED:-$fronts} integration tests/integration/chained
    else
        failed=$((failed + 1))
    fi
}

# chaos HOW: attacks by a tenant, runs that are killed, an API server that restarts or says 429. HOW: 1 for all, few for one of each.
chaos() {
    if step "lab with ingress-nginx" "$logs/lab-chaos" python lab/lab up --name "$MESHLB_LAB_NAME" --with ingress-nginx; then
        MESHLB_CHAOS=$1 integration tests/integration/chaos
    else
        failed=$((failed + 1))
    fi
}

# rolling: a backend is rolled out and scaled under load, with each strategy and with none.
rolling() {
    if step "lab with ingress-nginx" "$logs/lab-rolling" python lab/lab up --name "$MESHLB_LAB_NAME" --with ingress-nginx; then
        MESHLB_ROLLING=1 integration tests/integration/rolling
    else
        failed=$((failed + 1))
    fi
}

# schemas: load balancers that cannot run, by their CustomResourceDefinitions.
schemas() {
    if step "lab with gateway-api" "$logs/lab-schemas" python lab/lab up --name "$MESHLB_LAB_NAME" --with gateway-api; then
        MESHLB_SCHEMAS=1 integration tests/integration/schemas
    else
        failed=$((failed + 1))
    fi
}

number() { grep -oE "[0-9]+ $1" <<<"$2" | grep -oE '^[0-9]+' || echo 0; }

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    names=(standalone_nginx_permissive standalone_nginx_strict lb_vendor_nginx manifests_output chained_nginx integration chaos_few vendor_haproxy_ingress clouds_few)
fi
if [ "${names[*]}" = vendors ]; then
    names=()
    for folder in molecule/vendor_*/; do
        vendor=$(basename "${folder#molecule/vendor_}")
        names+=("vendor_$vendor" "matrix_$vendor")
    done
    names+=(schemas)
fi
with=(--with ingress-nginx)
case " ${names[*]} " in
    *" standalone"* | *" chained"* | *" lb_vendor"* | *" manifests"* | *" integration "* | *" measured "*) ;;
    *) with=() ;;
esac
say "the lab (${MESHLB_KUBECONFIG:-$MESHLB_LAB_NAME})"
if ! python lab/lab up --name "$MESHLB_LAB_NAME" "${with[@]}"; then
    failed=$((failed + 1))
    exit 1
fi
for name in "${names[@]}"; do
    case $name in
        integration) integration tests/integration ;;
        measured) MESHLB_MEASURED=docs/measured.md integration tests/integration/test_matrix.py tests/integration/test_measured_page.py ;;
        clouds) clouds 1 ;;
        # Of each form one: a proxy that ends clients' TLS, PROXY protocol, and packets that keep their address.
        clouds_few) clouds gke_ingress-https,aws_nlb-proxy,azure_lb ;;
        chaos) chaos 1 ;;
        chaos_few) chaos few ;;
        rolling) rolling ;;
        schemas) schemas ;;
        chained) chained ;;
        matrix_*) matrix "${name#matrix_}" ;;
        *) scenario "$name" ;;
    esac
done
