#!/usr/bin/python
# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lb_info
short_description: Find the load balancers in front of an Istio mesh
version_added: 0.1.0
author: The meshlb.istio contributors (@meshlb)
description:
  - Finds every load balancer by evidence (class controllers, running images, commands and arguments), and says what it is,
    whether it has a sidecar, which routes it serves, and in which modes it can be run with the mesh.
  - Reads a cluster, or files of manifests. Never reads Secrets, never writes.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshlb.istio.attributes.info
  - meshlb.istio.attributes.action_group
  - meshlb.istio.common
  - meshlb.istio.common.manifests
  - meshlb.istio.common.default_namespace
  - meshlb.istio.common.workers
  - meshlb.istio.common.request_timeout
  - meshlb.istio.common.custom_profiles
options:
  namespaces:
    description:
      - Lists only load balancers of these namespaces. Their routes are listed whatever their namespace.
      - By default, all namespaces.
    type: list
    elements: str
seealso:
  - module: meshlb.istio.service_routing
  - module: meshlb.istio.lb_sidecar
"""

EXAMPLES = r"""
- name: What is in front of this mesh?
  meshlb.istio.lb_info:
  register: info

- name: Show it
  ansible.builtin.debug:
    msg: "{{ info.load_balancers | meshlb.istio.summary(kind='load_balancers') }}"

- name: The same from a folder of manifests
  meshlb.istio.lb_info:
    manifests:
      - deploy/
"""

RETURN = r"""
load_balancers:
  description: The load balancers, sorted by namespace and name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the workload that carries the traffic, or of the class where none is in the cluster.
      type: str
      sample: ingress-nginx-controller
    namespace:
      description: Namespace of that workload, empty where there is none.
      type: str
      sample: ingress-nginx
    vendor:
      description: Vendor id, V(unknown) where no profile knows it.
      type: str
      sample: ingress_nginx
    title:
      description: The vendor's own name for it.
      type: str
      sample: ingress-nginx
    placement:
      description: Where it runs; V(node) is on the host's network.
      type: str
      sample: in_cluster
    version:
      description: Version as its image's tag says, empty where that says nothing.
      type: str
      sample: 1.11.0
    workload:
      description: Kind, name and namespace of the workload, empty where there is none.
      type: dict
      sample: {kind: Deployment, name: ingress-nginx-controller, namespace: ingress-nginx}
    classes:
      description: Names of the classes that it serves.
      type: list
      elements: str
      sample: [nginx]
    confidence:
      description: V(certain) by command or image, V(likely) by arguments, V(possible) by labels or a class alone.
      type: str
      sample: certain
    evidence:
      description: What it was recognised by.
      type: list
      elements: str
      sample: [container controller runs nginx-ingress-controller]
    sidecar:
      description:
        - RV(ignore:injected) is V(true), V(false), V(predicted) from manifests, or V(unknown) where Pods may not be read.
        - RV(ignore:inbound_capture) says how much of its inbound traffic the sidecar takes, V(none), V(some) or V(all), or V(unknown).
      type: dict
      sample: {injected: true, inbound_capture: none}
    modes:
      description: For V(standalone_plaintext), V(standalone_mtls) and V(chained), whether it is possible, why, and what stands in the way.
      type: dict
      sample: {standalone_mtls: {supported: true, why: a sidecar beside it can speak mutual TLS with the backends, blockers: []}}
    routes:
      description: Its routes, each with object, host, path and backend.
      type: list
      elements: dict
mesh:
  description: What is known of the mesh.
  returned: success
  type: dict
  sample:
    installed: true
    versions: ["1.31.0"]
    revisions: [default]
    data_plane: sidecar
    trust_domain: cluster.local
    root_namespace: istio-system
    outbound_traffic_policy: ALLOW_ANY
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
from ansible_collections.meshlb.istio.plugins.module_utils.runs.info import run_info
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.info import info_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.secrecy import keep_secret
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import outcome


def main() -> None:
    module = AnsibleModule(**module_kwargs(argument_spec(
        "manifests", "default_namespace", "namespaces", "workers", "request_timeout", "custom_profiles",
    )))

    def body() -> dict[str, Any]:
        keep_secret(module.no_log_values, module.params)
        options = info_options(module.params, module.check_mode, module._diff)
        return run_info(options).to_result(options.common.diff)

    succeeded, result = outcome(body, "lb_info", module._verbosity)
    if not succeeded:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
