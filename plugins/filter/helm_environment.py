# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: helm_environment
short_description: Keep environment variables from leading Helm to another cluster
version_added: 0.1.0
author: The meshlb.istio contributors (@meshlb)
description:
  - Gives the environment of a task with M(kubernetes.core.helm), in which those variables are empty that would lead it to another cluster
    than the modules of this collection, or there as somebody else.
  - These are Helm's own (C(HELM_KUBEAPISERVER), C(HELM_KUBETOKEN), C(HELM_KUBECONTEXT) and their like), and where the connection names a
    cluster C(K8S_AUTH_*) too.
options:
  _input:
    description: Connection options as the modules take them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: A chart in the cluster where the modules work
  kubernetes.core.helm:
    name: front
    namespace: edge
    chart_ref: ./chart
  module_defaults:
    kubernetes.core.helm: "{{ connection | meshlb.istio.helm_connection }}"
  environment: "{{ connection | meshlb.istio.helm_environment }}"
"""

RETURN = r"""
_value:
  description: Variables and what they are set to.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.options import names_cluster, with_values

HELMS = (
    "HELM_KUBEAPISERVER", "HELM_KUBEASGROUPS", "HELM_KUBEASUSER", "HELM_KUBECAFILE", "HELM_KUBECONTEXT",
    "HELM_KUBEINSECURE_SKIP_TLS_VERIFY", "HELM_KUBETLS_SERVER_NAME", "HELM_KUBETOKEN",
)  # fmt: skip
ANSIBLES = ("K8S_AUTH_API_KEY", "K8S_AUTH_CONTEXT", "K8S_AUTH_HOST", "K8S_AUTH_KUBECONFIG")


def helm_environment(connection: Mapping[str, Any]) -> dict[str, str]:
    """Variables that must not count for Helm, set to nothing."""
    if not isinstance(connection, Mapping):
        raise AnsibleFilterError(f"Connection options are a dictionary, not {type(connection).__name__}.")
    own = with_values(connection)
    names = [*HELMS, *(ANSIBLES if names_cluster(own) else ())]
    return dict.fromkeys(names, "")


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"helm_environment": helm_environment}
