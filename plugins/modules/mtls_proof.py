#!/usr/bin/python
# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mtls_proof
short_description: Prove from the proxies which routes of a load balancer use mutual TLS
version_added: 0.1.0
author: The meshlb.istio contributors (@meshlb)
description:
  - Asks the sidecars of the load balancers themselves what becomes of every route's requests, and returns a verdict with
    evidence for each.
  - The method V(configuration) follows a request through the sidecar's own configuration (listener, filter chain, route,
    cluster, transport socket) for every address that the load balancer dials, and asks the backends' sidecars whether they
    refuse plaintext.
  - The method V(traffic) compares the sidecars' counters before and after requests, and names the clusters and endpoints
    that moved. An answer with status 200 is never taken for a proof.
  - Where both methods contradict each other the verdict is V(mixed). What cannot be told is V(unknown), and a finding says
    why.
  - Compares each verdict with what M(meshlb.istio.service_routing) predicts, and reports where they differ.
  - Changes nothing. The sidecars are asked at the admin port that they open on their pod's loopback address, as O(ask_via) says.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshlb.istio.attributes.info
  - meshlb.istio.attributes.action_group
  - meshlb.istio.common
  - meshlb.istio.common.namespaces
  - meshlb.istio.common.load_balancers
  - meshlb.istio.common.workers
  - meshlb.istio.common.request_timeout
  - meshlb.istio.common.custom_profiles
options:
  routes:
    description:
      - Proves only these routes, each given as a host (V(shop.example.com)) or as a host and a path
        (V(shop.example.com/cart)), as the route itself has them. V(*) stands for a route without a host.
      - By default, all routes.
    type: list
    elements: str
  methods:
    description:
      - By which methods to prove.
      - V(traffic) measures only where O(entrypoint) or O(window) is given; the evidence says so where it does not.
    type: list
    elements: str
    choices: [configuration, traffic]
    default: [configuration, traffic]
  entrypoint:
    description:
      - URL of the load balancer, as a client reaches it from where the module runs, such as V(http://10.96.0.1) or
        V(https://lb.example.com:8443).
      - Sends it O(requests) GET requests for each host and path of the routes, with that host as Host (and as TLS server
        name). A wildcard gets the label C(meshlb-proof), a route without a host gets C(meshlb-proof.invalid).
        Redirects are not followed, and its certificate is not checked.
      - Belongs to one load balancer, so the routes of one only can be proven at a time.
      - In check mode no requests are sent.
    type: str
  requests:
    description: How many requests to send for each host and path, from 1 to 1000.
    type: int
    default: 3
  window:
    description:
      - Without O(entrypoint), for how many seconds to watch the counters while existing traffic flows, from 0 (not at all) to 3600.
    type: float
    default: 0
  ask_via:
    description:
      - How to ask the sidecars.
      - V(portforward) forwards port 15000 of their pods, which takes C(pods/portforward). It gives access to what listens on
        the pod's loopback address, but to no files, shells or keys.
      - V(exec) runs C(pilot-agent request GET) in the container C(istio-proxy), which takes C(pods/exec), and thereby the right
        to run anything in any container of these pods.
      - V(auto) forwards the port, and runs the command where that is not allowed or fails.
    type: str
    choices: [auto, portforward, exec]
    default: auto
  ask_timeout:
    description:
      - For how many seconds to wait for one answer of a sidecar as a whole, from 1 to 3600. The short answers of backends'
        sidecars get 15 seconds at most.
      - An answer that takes longer makes its routes V(unknown), and no further sidecar of that namespace is asked.
    type: float
    default: 30
seealso:
  - module: meshlb.istio.service_routing
  - module: meshlb.istio.lb_info
notes:
  - Needs get and create on C(pods/portforward), or on C(pods/exec), in the namespaces of the load balancers (before
    Kubernetes 1.35, get is enough). Where they are missing in a backend's namespace, whether plaintext is refused there is
    taken from the PeerAuthentication policies instead, and the evidence says so.
  - What sidecars answer comes from containers that whoever may edit their pods controls. It is evidence about those pods'
    own routes, and no answer of one pod changes the verdict of another's routes.
"""

EXAMPLES = r"""
- name: What do the proxies say?
  meshlb.istio.mtls_proof:
    methods: [configuration]
  register: proof

- name: Prove every route of one load balancer, with requests of our own
  meshlb.istio.mtls_proof:
    load_balancers: [ingress-nginx/ingress-nginx-controller]
    entrypoint: http://10.96.0.1

- name: Prove one route by the traffic that flows anyway
  meshlb.istio.mtls_proof:
    routes: [shop.example.com/cart]
    methods: [traffic]
    window: 30

- name: Fail unless all of them use mutual TLS
  ansible.builtin.assert:
    that: proof.routes | rejectattr('verdict', 'equalto', 'mutual_tls') | length == 0
"""

RETURN = r"""
routes:
  description: The routes, sorted, each with its verdict and the evidence for it.
  returned: success
  type: list
  elements: dict
  contains:
    load_balancer:
      description: Namespace and name of the load balancer.
      type: str
      sample: ingress-nginx/ingress-nginx-controller
    object:
      description: The object that makes the route.
      type: dict
      sample: {api_version: networking.k8s.io/v1, kind: Ingress, namespace: shop, name: shop}
    host:
      description: Host of the route, empty for all.
      type: str
      sample: shop.example.com
    path:
      description: Path of the route.
      type: str
      sample: /cart
    backend:
      description: The Service port that it leads to, and the protocol that Istio reads from it.
      type: dict
      sample: {namespace: shop, service: cart, port: 80, protocol: http}
    verdict:
      description:
        - V(mutual_tls), V(plaintext), V(refused) (nothing gets through), V(mixed) (it depends), or V(unknown).
      type: str
      sample: mutual_tls
    access:
      description:
        - Whether the filters (RBAC, tokens) in the backend's own configuration admit the route's requests. C(decision) is V(allowed),
          V(denied), V(conditional) (two requests of the route get different answers) or V(unknown); C(why) says why, and C(policies)
          names the policies that these filters come from.
        - Answers of 401 and 403 to the requests of the method V(traffic) are denied access.
      type: dict
      sample: {decision: denied, why: "the backend's filters keep requests of cluster.local/ns/edge/sa/lb out", policies: [shop/callers]}
    evidence:
      description: What was read, by which method, and from whom.
      type: list
      elements: dict
      contains:
        method:
          description: V(configuration) or V(traffic).
          type: str
          sample: configuration
        source:
          description: Which proxy said so, or what else.
          type: str
          sample: sidecar of ingress-nginx/ingress-nginx-controller-5f7bfb98c6-wwv5m
        fact:
          description: What it says, in one sentence.
          type: str
          sample: >-
            10.96.0.9:80 with Host shop.example.com and path /cart: listener 10.96.0.9_80,
            route cart.shop.svc.cluster.local:80, virtual host cart.shop.svc.cluster.local:80, entry default,
            cluster outbound|80||cart.shop.svc.cluster.local,
            transport socket tlsMode-istio with the workload certificate, server spiffe://cluster.local/ns/shop/sa/cart
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
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.meshlb.istio.plugins.module_utils.runs.arguments import argument_spec, module_kwargs
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.proof import proof_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.proof import run_proof
from ansible_collections.meshlb.istio.plugins.module_utils.runs.secrecy import keep_secret
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import outcome

METHODS = ["configuration", "traffic"]


def main() -> None:
    spec = argument_spec(
        "namespaces",
        "load_balancers",
        "workers",
        "request_timeout",
        "custom_profiles",
        routes={"type": "list", "elements": "str"},
        methods={"type": "list", "elements": "str", "choices": METHODS, "default": METHODS},
        entrypoint={"type": "str"},
        requests={"type": "int", "default": 3},
        window={"type": "float", "default": 0},
        ask_via={"type": "str", "choices": ["auto", "portforward", "exec"], "default": "auto"},
        ask_timeout={"type": "float", "default": 30},
    )
    module = AnsibleModule(**module_kwargs(spec))

    def body() -> dict[str, Any]:
        keep_secret(module.no_log_values, module.params)
        options = proof_options(module.params, module.check_mode, module._diff)
        return run_proof(options).to_result(options.common.diff)

    succeeded, result = outcome(body, "mtls_proof", module._verbosity)
    if not succeeded:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
