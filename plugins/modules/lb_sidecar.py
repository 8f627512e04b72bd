#!/usr/bin/python
# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lb_sidecar
short_description: Give a load balancer an Istio sidecar, or take it back
version_added: 0.1.0
author: The meshlb.istio contributors (@meshlb)
description:
  - Labels and annotates the pod template of the load balancer's own workload so that its pods get a sidecar, and leaves everything else
    in its namespace alone (an admission Job with a sidecar would never end).
  - The containers of its pods start once the sidecar is ready, and the sidecar ends once they have no connections any more. That is in
    the annotation C(proxy.istio.io/config), in which everything stays that somebody else set there.
  - Names what keeps the rollout from being without a gap before it writes (findings MLB305 to MLB309).
  - Refuses with the exact reason where a sidecar is not possible or would not help.
  - Every field that is replaced can be given back. With O(state=absent) all of it is.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshlb.istio.attributes
  - meshlb.istio.attributes.action_group
  - meshlb.istio.common
  - meshlb.istio.common.custom_profiles
  - meshlb.istio.common.allow_regressions
  - meshlb.istio.common.expected_plan_digest
  - meshlb.istio.common.lock_namespace
  - meshlb.istio.common.lock_timeout
  - meshlb.istio.common.request_timeout
options:
  load_balancer:
    description: The load balancer, by what RV(meshlb.istio.lb_info#module:load_balancers) calls it.
    type: dict
    required: true
    suboptions:
      namespace:
        description: Namespace of the workload that carries its traffic.
        type: str
        required: true
      name:
        description: Name of the workload that carries its traffic.
        type: str
        required: true
  inbound_capture:
    description:
      - How much of what reaches the load balancer goes through its sidecar.
      - V(none) keeps clients, their addresses and the load balancer's own TLS as they are. It sets the annotation
        C(traffic.sidecar.istio.io/includeInboundPorts) to the empty string (an absent one means all ports), and the label
        C(security.istio.io/tlsMode) to V(disabled) so that clients inside the mesh do not expect mutual TLS of it.
      - V(all) captures all ports; clients outside the mesh are then refused where mutual TLS is demanded.
    type: str
    choices: [none, all]
    default: none
  state:
    description: V(present) gives it a sidecar, V(absent) takes back everything that this module ever wrote for it.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description:
      - Whether to wait until all pods are replaced and available.
      - Also when nothing had to be written, so that a second run tells whether the first one came to its end.
    type: bool
    default: true
  wait_timeout:
    description: For how many seconds to wait. A rollout that cannot succeed any more is reported at once.
    type: int
    default: 300
  on_failed_rollout:
    description:
      - What becomes of the change where O(wait) is set and the new pods do not come up, not in time, or without a sidecar.
      - V(restore) takes it back at once and waits, for O(wait_timeout) seconds at most, until the pods are as they were. The module then
        fails with the reason and the pods' events.
      - V(keep) fails in the same way, and leaves the change, to be looked at.
    type: str
    choices: [restore, keep]
    default: restore
seealso:
  - module: meshlb.istio.lb_info
  - module: meshlb.istio.service_routing
"""

EXAMPLES = r"""
- name: What would be done?
  meshlb.istio.lb_sidecar:
    load_balancer:
      namespace: ingress-nginx
      name: ingress-nginx-controller
  check_mode: true
  diff: true

- name: Give the load balancer a sidecar that leaves inbound traffic alone
  meshlb.istio.lb_sidecar:
    load_balancer:
      namespace: ingress-nginx
      name: ingress-nginx-controller
    wait_timeout: 120

- name: Take it back
  meshlb.istio.lb_sidecar:
    load_balancer:
      namespace: ingress-nginx
      name: ingress-nginx-controller
    state: absent
"""

RETURN = r"""
workload:
  description: The workload whose pods get the sidecar.
  returned: success
  type: dict
  contains:
    kind:
      description: V(Deployment), V(DaemonSet) or V(StatefulSet).
      type: str
      sample: Deployment
    name:
      description: Its name.
      type: str
      sample: ingress-nginx-controller
    namespace:
      description: Its namespace.
      type: str
      sample: ingress-nginx
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
      sample: {api_version: apps/v1, kind: Deployment, namespace: ingress-nginx, name: ingress-nginx-controller}
    action:
      description: Always V(patch).
      type: str
      sample: patch
    before:
      description: The fields as they were; C(null) stands for one that was not there.
      type: dict
    after:
      description: The fields as they are set.
      type: dict
    why:
      description: One sentence.
      type: str
      sample: gives ingress-nginx/ingress-nginx-controller a sidecar that captures no inbound traffic
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
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.sidecar import sidecar_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.secrecy import keep_secret
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import outcome
from ansible_collections.meshlb.istio.plugins.module_utils.runs.sidecar import run_sidecar


def main() -> None:
    name = {"type": "str", "required": True}
    spec = argument_spec(
        "state",
        "custom_profiles",
        "allow_regressions",
        "expected_plan_digest",
        "lock_namespace",
        "lock_timeout",
        "request_timeout",
        load_balancer={"type": "dict", "required": True, "options": {"namespace": name, "name": name}},
        inbound_capture={"type": "str", "choices": ["none", "all"], "default": "none"},
        wait={"type": "bool", "default": True},
        wait_timeout={"type": "int", "default": 300},
        on_failed_rollout={"type": "str", "choices": ["restore", "keep"], "default": "restore"},
    )
    module = AnsibleModule(**module_kwargs(spec))

    def body() -> dict[str, Any]:
        keep_secret(module.no_log_values, module.params)
        options = sidecar_options(module.params, module.check_mode, module._diff)
        return run_sidecar(options).to_result(options.common.diff)

    succeeded, result = outcome(body, "lb_sidecar", module._verbosity)
    if not succeeded:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
