# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that modules share: the twin of ``module_utils/arguments.py``."""

from __future__ import annotations


class ModuleDocFragment:
    """One constant per option, as each module takes only some of them."""

    DOCUMENTATION = r"""
options: {}
requirements:
  - kubernetes >= 28.1.0
  - PyYAML >= 6.0
notes:
  - Reads no Secrets. Which permissions a run needs is in the collection's guide to RBAC.
"""

    MANIFESTS = r"""
options:
  manifests:
    description:
      - Files, or folders (read recursively), of Kubernetes manifests to work from instead of a cluster.
      - Only names that end in C(.yaml), C(.yml) or C(.json) are read in a folder; C(kustomization.yaml) is left out.
      - What is no Kubernetes object (values, charts, schemas, templates that were not rendered) is left out and told. An object that is
        there more than once counts once; one that is there in two forms is an error.
      - Whether a pod gets a sidecar is then predicted from the labels and annotations of its namespace and its template.
    type: list
    elements: path
"""

    DEFAULT_NAMESPACE = r"""
options:
  default_namespace:
    description:
      - The namespace of objects in O(manifests) that do not say theirs, as C(kubectl apply -n) gives it to them.
      - By default, V(default), and a finding says so.
    type: str
"""

    OUTPUT_DIR = r"""
options:
  output_dir:
    description:
      - A folder to write the changes to as files, instead of to the cluster.
      - Holds a file per object that is created, a patch per object that is changed, and a C(kustomization.yaml) that
        ties them together and says how to apply them.
      - Files there that were not written by this collection are never touched.
    type: path
"""

    NAMESPACES = r"""
options:
  namespaces:
    description:
      - Look only at routes in these namespaces.
      - By default, all namespaces.
    type: list
    elements: str
"""

    LOAD_BALANCERS = r"""
options:
  load_balancers:
    description:
      - Look only at these load balancers, each given as V(namespace/name), as V(name), or as a vendor's identifier.
      - By default, all that are found.
    type: list
    elements: str
"""

    LOCK_NAMESPACE = r"""
options:
  lock_namespace:
    description:
      - The namespace of the Leases (C(coordination.k8s.io/v1)) by which runs that write at the same time know of each other.
      - All runs on one cluster have to name the same. By default, Istio's root namespace.
    type: str
"""

    LOCK_TIMEOUT = r"""
options:
  lock_timeout:
    description:
      - For how many seconds a run waits while another one is at work, before it fails without having written anything. V(0) is not at all.
      - Only runs that have something to write wait. Two of them that are limited to different namespaces do not wait for each other.
      - The Lease of a run that was killed expires 60 seconds after its last renewal.
    type: int
    default: 60
"""

    REQUEST_TIMEOUT = r"""
options:
  request_timeout:
    description:
      - For how many seconds one request to the API server may take, with all its attempts.
      - Reads that end in 429, 500, 502, 503 or 504 are tried again, with growing pauses. A C(Retry-After) is waited for up to 10 seconds.
      - A list that fails all the same ends the run before its first write.
    type: int
    default: 60
"""

    ALL_OR_NOTHING = r"""
options:
  all_or_nothing:
    description:
      - Every change is rehearsed before the first one is made. By default, what belongs together is left out as a whole where the API
        server refuses one of its changes (a quota, a policy, a webhook in one namespace); everything else is written, and the run then
        fails and names what was left out.
      - With V(true) nothing at all is written as soon as one change would be refused.
    type: bool
    default: false
"""

    CUSTOM_PROFILES = r"""
options:
  custom_profiles:
    description:
      - Profiles of load balancers that the collection does not know, given as data.
      - Their fields are described in the collection's page on custom profiles.
      - Needs the Python package C(jmespath).
    type: list
    elements: dict
"""

    ALLOW_REGRESSIONS = r"""
options:
  allow_regressions:
    description:
      - What may get worse. No run takes mutual TLS away from a route, leads its requests to another Service, or has a plain request
        refused that was answered, whoever's route it is. What would is left out of the plan and is finding C(MLB223).
      - V(true) allows it for all routes; a list allows it for the routes of these objects alone, each as V(namespace/kind/name).
      - What is taken back with O(state=absent) is not held back.
    type: raw
    default: false
"""

    EXPECTED_PLAN_DIGEST = r"""
options:
  expected_plan_digest:
    description:
      - The RV(plan_digest) that an earlier run returned, such as one in check mode that somebody approved.
      - If the plan is now another one, the module fails before it writes anything, and says what the plan has become.
    type: str
"""

    WORKERS = r"""
options:
  workers:
    description:
      - How many requests are sent to the API server at a time.
    type: int
    default: 8
"""
