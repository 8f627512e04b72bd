#!/usr/bin/python
# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_routing
short_description: Route a load balancer's traffic so that its sidecar can give it mutual TLS
version_added: 0.1.0
author: The meshlb.istio contributors (@meshlb)
description:
  - Works out for every route of the load balancers what keeps it from mutual TLS, chooses a strategy, and changes exactly what that needs.
  - Predicts each route's verdict before and after. In check mode nothing is written, and the changes are exactly those of a run.
  - Every field that is replaced can be given back. With O(state=absent) all of it is.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshlb.istio.attributes
  - meshlb.istio.attributes.action_group
  - meshlb.istio.common
  - meshlb.istio.common.manifests
  - meshlb.istio.common.default_namespace
  - meshlb.istio.common.output_dir
  - meshlb.istio.common.namespaces
  - meshlb.istio.common.load_balancers
  - meshlb.istio.common.workers
  - meshlb.istio.common.request_timeout
  - meshlb.istio.common.lock_namespace
  - meshlb.istio.common.lock_timeout
  - meshlb.istio.common.all_or_nothing
  - meshlb.istio.common.custom_profiles
  - meshlb.istio.common.allow_regressions
  - meshlb.istio.common.expected_plan_digest
options:
  label_selector:
    description: >-
      Plans only routes whose object has these labels, as C(kubectl --selector) takes them: C(key=value), C(key==value), C(key!=value),
      C(key in (a,b\)), C(key notin (a,b\)), C(key) and C(!key), separated by commas.
    type: str
    default: ""
  strategy:
    description:
      - V(service_vip) routes to the Service's address; it serves ports that declare no HTTP.
      - V(host_rewrite) does the same and sends the Service's name as Host.
      - V(host_alias) routes to the Service's address and gives the mesh a VirtualService for the public host.
      - V(host_entry) leaves the load balancer alone and gives its namespace a ServiceEntry and a DestinationRule for the public host.
      - V(headless_twin) leaves the load balancer alone and adds a headless Service over the same pods, and a DestinationRule for it.
      - >-
        V(certs_only) has the load balancer speak mutual TLS itself with the mesh's certificate, where it can verify the backend's;
        its pods must be set up for that (certificates written to a volume, no outbound traffic captured).
      - V(auto) takes for each route the one that keeps most of what is in use, and says why.
      - >-
        The annotation C(meshlb.istio/strategy) on a route's object, or else on its namespace, wins over this option, where
        O(pinnable_strategies) allows it.
      - A route whose object is annotated C(meshlb.istio/ignore) with the value V(true) is left alone.
    type: str
    choices: [auto, service_vip, host_entry, headless_twin, host_alias, host_rewrite, certs_only]
    default: auto
  strict_exemption:
    description:
      - For routes of load balancers outside of the cluster (or of a platform's own ones, which can have no sidecar) that a STRICT
        backend refuses, write the least exemption, which is a PeerAuthentication that lets plaintext in to that workload's port alone,
        and the health check that goes with it.
      - Everybody who reaches the pods can use such a port in plaintext. Chained mode (M(meshlb.istio.chained_gateway)) needs none.
    type: bool
    default: false
  preserve_host:
    description: Whether V(auto) has to keep the Host that the application sees. A strategy that is pinned is not affected.
    type: bool
    default: true
  pinnable_strategies:
    description:
      - The strategies that the annotation C(meshlb.istio/strategy) may pin. A pin of another one is a finding, and the route is planned
        as if it had none.
      - Whoever may edit a route may annotate it, so by default only strategies may be pinned that make no object outside of the
        namespace of the route's object. For the same reason, V(headless_twin) may only be pinned where the backend is in that namespace.
      - The pin V(auto) is always allowed. Where O(strategy) is not V(auto), it chooses among these strategies.
    type: list
    elements: str
    choices: [service_vip, host_entry, headless_twin, host_alias, host_rewrite, certs_only]
    default: [service_vip, headless_twin, host_rewrite, certs_only]
  harmless_pods:
    description:
      - Label selectors of other pods beside a load balancer for which what is made for public hosts may hold as well, each in the form
        that C(kubectl --selector) takes. Pods count that have a sidecar and are in the namespace of a load balancer.
      - V(host_entry) is not used where no labels tell the load balancer's pods from others with a sidecar, and V(auto) chooses neither it
        nor V(host_alias) where they change what becomes of other pods' requests. Pods that are named here are no reason for that, so name
        those alone that send nothing to these hosts, or that may reach the backends over mutual TLS.
    type: list
    elements: str
    default: []
  state:
    description: V(present) carries the plan out, V(absent) takes back everything that this module ever wrote for these load balancers.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: meshlb.istio.lb_sidecar
  - module: meshlb.istio.mtls_proof
"""

EXAMPLES = r"""
- name: What would be done?
  meshlb.istio.service_routing:
  check_mode: true
  register: plan

- name: Do it for one load balancer
  meshlb.istio.service_routing:
    load_balancers: [ingress-nginx/ingress-nginx-controller]

- name: Write it as files for a cluster that is driven from git
  meshlb.istio.service_routing:
    manifests: [deploy/]
    output_dir: overlays/mutual-tls

- name: Take it back
  meshlb.istio.service_routing:
    state: absent
"""

RETURN = r"""
routes:
  description: Every route, sorted, also where nothing is to do and in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    load_balancer:
      description: The load balancer, as C(namespace/name).
      type: str
      sample: ingress-nginx/ingress-nginx-controller
    object:
      description: The object that holds the route.
      type: dict
      sample: {api_version: networking.k8s.io/v1, kind: Ingress, namespace: shop, name: shop}
    host:
      description: Public host, empty where the route takes any.
      type: str
      sample: shop.example.com
    path:
      description: Path, or for TCP services V(tcp:PORT).
      type: str
      sample: /
    backend:
      description: The Service port, with the protocol that Istio gives it (V(auto) where none is declared).
      type: dict
      sample: {namespace: shop, service: shop, port: 80, protocol: http}
    before:
      description:
        - Verdict as things stand, and why.
        - C(access) says whether the backend's policies admit the route's requests (V(allowed), V(denied), V(conditional) where it
          depends on the request, V(unknown)), why, and by which policies.
      type: dict
      sample:
        verdict: refused
        why: the sidecar has no listener for a pod's port 8080
        access: {decision: unknown, why: no request is known to reach the backend, policies: []}
    after:
      description: Verdict that the plan gives, the strategy (V(none) where nothing is to do or can be done), why this one, and C(access).
      type: dict
      sample:
        verdict: mutual_tls
        strategy: host_entry
        why: the load balancer is left untouched
        access: {decision: allowed, why: AuthorizationPolicy shop/edge admits cluster.local/ns/edge/sa/lb, policies: [shop/edge]}
plan_digest:
  description:
    - A hash over the changes, the values that they replace, and the routes that the plan is about. It is equal in check mode and in the
      run that follows, as long as the cluster stays as it is.
    - O(expected_plan_digest) takes it.
  returned: success
  type: str
  sample: "sha256:9f2c8a3c7b0f6f0e0c2f6d5c3f2b7b4a1e8d9c0b1a2f3e4d5c6b7a8f9e0d1c2b"
left_out:
  description: How many parts of the plan were left out, as they would make a route worse. Each is a finding C(MLB223).
  returned: success
  type: int
  sample: 0
unfinished:
  description:
    - How much was left undone, as nobody can see what it needs. Each is a finding C(MLB407), C(MLB408) or C(MLB409).
    - Where there is any, the module fails after all else was done, and returns the whole result besides its message.
  returned: success
  type: int
  sample: 0
changes:
  description: What was (in check mode would be) written, in this order; empty when nothing is to do.
  returned: success
  type: list
  elements: dict
  contains:
    object:
      description: The object that is written.
      type: dict
    action:
      description: V(patch), V(create) or V(delete).
      type: str
      sample: create
    before:
      description: The fields as they were; C(null) stands for one that was not there.
      type: dict
    after:
      description: The fields as they are set.
      type: dict
    why:
      description: One sentence.
      type: str
cluster:
  description: The API server that was used, and the kubeconfig's context, which is empty where none was used.
  returned: when a cluster was read
  type: dict
  sample: {server: "https://api.example.com:6443", context: production}
findings:
  description: Coded remarks.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description: Stable code; the collection's page on findings lists all of them.
      type: str
      sample: MLB203
    severity:
      description: V(error), V(warning) or V(info).
      type: str
      sample: error
    object:
      description: The object that the remark is about, empty where it is about none.
      type: dict
      sample: {api_version: networking.k8s.io/v1, kind: Ingress, namespace: apps, name: shop}
    message:
      description: What was found in this case.
      type: str
      sample: "nginx.ingress.kubernetes.io/service-upstream is 'false', the plan needs 'true'"
    url:
      description: The page that explains the code.
      type: str
      sample: https://github.com/meshlb/istio/blob/main/docs/findings.md#mlb203
    cause:
      description: The object that is the reason, in the form of C(object), empty where it is that one or not known.
      type: dict
      sample: {}
    remedy:
      description: What to do.
      type: str
      sample: Change or remove the value, or use a strategy that does not need it.
    details:
      description:
        - Facts from C(message) for machines, empty where there are none.
        - Those of a route are C(host), C(path) and C(backend), in the form that routes have.
      type: dict
      sample: {field: nginx.ingress.kubernetes.io/service-upstream, found: "false", needed: "true"}
files:
  description: Files that were written to O(output_dir).
  returned: when O(output_dir) is set
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.meshlb.istio.plugins.module_utils.plan.pins import PINNABLE
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.table import AUTO, NAMES
from ansible_collections.meshlb.istio.plugins.module_utils.runs.arguments import argument_spec, module_kwargs
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.routing import routing_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.routing import run_routing
from ansible_collections.meshlb.istio.plugins.module_utils.runs.secrecy import keep_secret
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import outcome


def main() -> None:
    spec = argument_spec(
        "manifests",
        "default_namespace",
        "output_dir",
        "namespaces",
        "load_balancers",
        "workers",
        "request_timeout",
        "lock_namespace",
        "lock_timeout",
        "all_or_nothing",
        "custom_profiles",
        "allow_regressions",
        "expected_plan_digest",
        "state",
        label_selector={"type": "str", "default": ""},
        strategy={"type": "str", "choices": [AUTO, *NAMES], "default": AUTO},
        strict_exemption={"type": "bool", "default": False},
        preserve_host={"type": "bool", "default": True},
        pinnable_strategies={"type": "list", "elements": "str", "choices": list(NAMES), "default": list(PINNABLE)},
        harmless_pods={"type": "list", "elements": "str", "default": []},
    )
    module = AnsibleModule(**module_kwargs(spec))

    def body() -> dict[str, Any]:
        keep_secret(module.no_log_values, module.params)
        options = routing_options(module.params, module.check_mode, module._diff)
        return run_routing(options).to_result(options.common.diff)

    succeeded, result = outcome(body, "service_routing", module._verbosity)
    if not succeeded:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
