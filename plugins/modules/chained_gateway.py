#!/usr/bin/python
# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: chained_gateway
short_description: Chain a load balancer to an Istio gateway, or take the chain back
version_added: 0.1.0
author: The meshlb.istio contributors (@meshlb)
description:
  - Computes and writes every object of a chain on both sides. The load balancer sends to an Istio gateway, and the gateway speaks
    mutual TLS with the backends, so the load balancer needs no sidecar and may be outside of the cluster.
  - The gateway and its routing are made first, the load balancer is led to them when they are ready, and O(state=absent) goes the other
    way round, so that no request is lost.
  - Refuses, with the reason and the remedy, what is known to fail with this load balancer. Nothing is written then.
  - Every field that is replaced can be given back.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshlb.istio.attributes
  - meshlb.istio.attributes.action_group
  - meshlb.istio.common
  - meshlb.istio.common.manifests
  - meshlb.istio.common.default_namespace
  - meshlb.istio.common.output_dir
  - meshlb.istio.common.custom_profiles
  - meshlb.istio.common.allow_regressions
  - meshlb.istio.common.expected_plan_digest
  - meshlb.istio.common.workers
  - meshlb.istio.common.request_timeout
  - meshlb.istio.common.lock_namespace
  - meshlb.istio.common.lock_timeout
  - meshlb.istio.common.all_or_nothing
  - meshlb.istio.chain
options:
  load_balancer:
    description:
      - The load balancer, by what RV(meshlb.istio.lb_info#module:load_balancers) calls it.
      - Not needed where just one that can be chained is found.
    type: dict
    suboptions:
      namespace:
        description: Its namespace; empty for one that is named after its class.
        type: str
        default: ""
      name:
        description: Its name.
        type: str
        required: true
  platform:
    description:
      - What kind of load balancer it is, where none can be found because nothing of it is in the cluster yet.
      - An identifier of the collection's table of platforms (V(aws_alb)) or of load balancers (V(ingress_nginx)).
    type: str
  hosts:
    description:
      - V(from_load_balancer) for all hosts of the load balancer's own routes, or a list of names of some of them. The routes stay as they
        are but for the backend of each path, which becomes the gateway.
      - Or a list of dictionaries with C(host) (empty for any) and C(paths), each with C(path), C(path_type) (C(Prefix) or C(Exact)) and
        C(backend) (C(namespace), C(service), C(port)). The load balancer then gets a new route for them.
      - A route that goes through the gateway already, and that a list of names lacks, leaves it where it is not worse off without
        (O(allow_regressions)).
      - With O(state=absent) a list of names takes back these hosts alone.
    type: raw
  https_redirect:
    description: Answer plain HTTP with a redirect to HTTPS, at the load balancer where it can, else at the gateway.
    type: bool
    default: false
  route_backend:
    description:
      - How routes that are led to the gateway name it where they can only name Services of their own namespace.
      - V(address) makes a headless Service that holds the address of the gateway's Service, V(name) one of type ExternalName.
      - V(auto) takes the address where it is known.
    type: str
    choices: [auto, address, name]
    default: auto
  platform_options:
    description:
      - Settings that only this kind of load balancer has, such as names of certificates.
      - The collection's table of platforms lists them.
    type: dict
  state:
    description:
      - V(present) makes the chain, V(absent) takes it back.
      - With V(absent), O(load_balancer), O(platform) and O(gateway) say which chains; without any of them all are taken back.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description: Whether to wait until the gateway is ready before the load balancer is led to it.
    type: bool
    default: true
  wait_timeout:
    description: For how many seconds to wait.
    type: int
    default: 300
  expected_objects:
    description:
      - Objects that will have been made by the time of the run, such as those of a gateway's chart that is not installed yet.
      - In check mode those of them that are not there are taken for there, so that the run can be predicted. They are never written, and
        without check mode they are not looked at.
    type: list
    elements: dict
  drain:
    description:
      - For how many seconds the gateway stays after the load balancer was led away from it, for requests on their way.
      - It has to be longer than the load balancer takes to notice. Some look every 3.3 seconds alone, and lost requests with O(drain=3).
    type: int
    default: 10
seealso:
  - module: meshlb.istio.lb_info
  - module: meshlb.istio.service_routing
"""

EXAMPLES = r"""
- name: What would be done?
  meshlb.istio.chained_gateway:
    hosts: from_load_balancer
  check_mode: true
  diff: true

- name: Lead two hosts of the load balancer to the gateway that Istio's chart installed
  meshlb.istio.chained_gateway:
    load_balancer:
      namespace: ingress-nginx
      name: ingress-nginx-controller
    gateway:
      namespace: istio-ingress
    hosts: [shop.example.com, cart.example.com]

- name: An AWS Application Load Balancer before a gateway that Istio deploys
  meshlb.istio.chained_gateway:
    platform: aws_alb
    gateway:
      name: edge
      api: gateway_api
      create: true
    hosts:
      - host: shop.example.com
        paths:
          - path: /
            path_type: Prefix
            backend:
              namespace: shop
              service: web
              port: 80
    platform_options:
      scheme: internet-facing
      certificate_arn: arn:aws:acm:eu-west-1:123456789012:certificate/12345678-1234-1234-1234-123456789012
    https_redirect: true

- name: Take everything back
  meshlb.istio.chained_gateway:
    state: absent
"""

RETURN = r"""
gateway:
  description: The gateway that the load balancer sends to; empty with O(state=absent).
  returned: success
  type: dict
  sample: {api: istio, name: meshlb, namespace: istio-ingress, port: 80, service: {name: gw, namespace: istio-ingress}, tls: false}
client_address:
  description: How the gateway learns the client's address, and why that cannot be forged.
  returned: success
  type: dict
  contains:
    mode:
      description: One of the modes of O(client_address.mode) other than V(auto).
      type: str
      sample: x_forwarded_for
    trusted_hops:
      description: How many entries of X-Forwarded-For are trusted.
      type: int
      sample: 1
    why:
      description: One sentence.
      type: str
routes:
  description: Every host and path, also those that stay where they are.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The host, empty for any.
      type: str
      sample: shop.example.com
    path:
      description: The path.
      type: str
      sample: /
    path_type:
      description: What the path means.
      type: str
      sample: Prefix
    backend:
      description: The Service port that it leads to.
      type: dict
      sample: {namespace: shop, service: web, port: 80, protocol: http}
    object:
      description: The load balancer's own route object, empty where there was none.
      type: dict
    chained:
      description: Whether it goes through the gateway.
      type: bool
    before:
      description:
        - The verdict (V(mutual_tls), V(plaintext), V(refused), V(mixed), V(unknown)) as things stand, and why.
        - C(access) says whether policies admit the route's requests (V(allowed), V(denied), V(conditional), V(unknown)), why, and which.
      type: dict
    after:
      description: The verdict once the changes are made, why, and C(access) for the gateway's identity and at the gateway itself.
      type: dict
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
  description: What was (in check mode would be) written; empty when nothing is to do.
  returned: success
  type: list
  elements: dict
  contains:
    object:
      description: The object that is written.
      type: dict
    action:
      description: V(create), V(patch) or V(delete).
      type: str
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
  description: Names of the files in O(output_dir).
  returned: when O(output_dir) is given
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.meshlb.istio.plugins.module_utils.runs.arguments import argument_spec, module_kwargs
from ansible_collections.meshlb.istio.plugins.module_utils.runs.chained import run_chained
from ansible_collections.meshlb.istio.plugins.module_utils.runs.chained_arguments import chain_spec
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.chained import chained_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.secrecy import keep_secret
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import outcome


def main() -> None:
    load_balancer = {"namespace": {"type": "str", "default": ""}, "name": {"type": "str", "required": True}}
    spec = argument_spec(
        "manifests",
        "default_namespace",
        "output_dir",
        "custom_profiles",
        "allow_regressions",
        "expected_plan_digest",
        "workers",
        "request_timeout",
        "lock_namespace",
        "lock_timeout",
        "all_or_nothing",
        "state",
        load_balancer={"type": "dict", "options": load_balancer},
        platform={"type": "str"},
        hosts={"type": "raw"},
        https_redirect={"type": "bool", "default": False},
        route_backend={"type": "str", "choices": ["auto", "address", "name"], "default": "auto"},
        platform_options={"type": "dict"},
        wait={"type": "bool", "default": True},
        wait_timeout={"type": "int", "default": 300},
        drain={"type": "int", "default": 10},
        expected_objects={"type": "list", "elements": "dict"},
        **chain_spec(),
    )
    module = AnsibleModule(**module_kwargs(spec))

    def body() -> dict[str, Any]:
        keep_secret(module.no_log_values, module.params)
        options = chained_options(module.params, module.check_mode, module._diff)
        return run_chained(options).to_result(options.common.diff)

    succeeded, result = outcome(body, "chained_gateway", module._verbosity)
    if not succeeded:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
