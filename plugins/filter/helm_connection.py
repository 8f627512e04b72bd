# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: helm_connection
short_description: Turn the modules' connection options into those of Helm
version_added: 0.1.0
author: The meshlb.istio contributors (@meshlb)
description:
  - Gives the options of M(kubernetes.core.helm) that lead it to the cluster where the modules of this collection work.
  - Fails for what Helm cannot be given, and names it with what to use instead.
  - C(K8S_AUTH_*) variables on the controller count as far as they count for the modules. Use it with
    P(meshlb.istio.helm_environment#filter), which keeps those of the module's host from leading Helm elsewhere.
  - With C(host) and C(api_key), Helm reads no kubeconfig, as the modules read none.
options:
  _input:
    description:
      - Connection options as the modules take them.
      - Helm can be given C(kubeconfig), C(context), C(host), C(api_key), C(ca_cert) and C(validate_certs).
      - Empty options count as not given.
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
  description: Options of M(kubernetes.core.helm).
  type: dict
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.kubeconfig import chosen, sources
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.options import (
    effective,
    names_cluster,
    same_server,
    without_userinfo,
)

ALIASES = {"ssl_ca_cert": "ca_cert", "verify_ssl": "validate_certs"}
TAKEN = ("kubeconfig", "context", "host", "api_key", "ca_cert", "validate_certs")
CREDENTIALS = ("username", "password", "client_cert", "cert_file", "client_key", "key_file")
INSTEAD = {
    **dict.fromkeys(CREDENTIALS, "Use a kubeconfig that holds the credentials."),
    **dict.fromkeys(("proxy", "no_proxy", "proxy_headers"), "Set HTTPS_PROXY and NO_PROXY in the environment, which the modules read too."),
    **dict.fromkeys(("impersonate_user", "impersonate_groups"), "Use the credentials of that account itself."),
}
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token"
# Helm takes from the default kubeconfig whatever it is not given, so it gets one of its own. This one says nothing, and its
# name is unusual, because the module blanks out every value of a kubeconfig in what it prints.
NAME = "from-connection-options"
NO_KUBECONFIG = {
    "clusters": [{"name": NAME, "cluster": {}}],
    "contexts": [{"name": NAME, "context": {"cluster": NAME}}],
    "current-context": NAME,
}


def helm_connection(connection: Mapping[str, Any]) -> dict[str, Any]:
    """Options of kubernetes.core.helm for a connection; raises AnsibleFilterError for what Helm cannot be given."""
    if not isinstance(connection, Mapping):
        raise AnsibleFilterError(f"Connection options are a dictionary, not {type(connection).__name__}.")
    own = {ALIASES.get(name, name): value for name, value in connection.items() if value or value is False}
    unknown = [name for name, value in own.items() if name not in TAKEN and name not in INSTEAD and name != "persist_config" and value]
    if unknown:
        raise AnsibleFilterError(f"Helm cannot be given {' or '.join(unknown)}. It takes only {', '.join(TAKEN)}.")
    meant = effective({name: value for name, value in own.items() if name in (*TAKEN, *INSTEAD)}, os.environ)
    refused = [name for name in meant if name in INSTEAD]
    if refused:
        instead = list(dict.fromkeys(INSTEAD[name] for name in refused))
        raise AnsibleFilterError(f"Helm cannot be given {' or '.join(refused)}. {' '.join(instead)}")
    _demand_one_cluster(meant)
    # Where no cluster is named, both find it in the same way, wherever they run.
    options = meant if names_cluster(own) else own
    if "validate_certs" in options:
        options["validate_certs"] = boolean(options["validate_certs"])
    options = {name: value for name, value in options.items() if name in TAKEN}
    if "host" in options and "api_key" in options:
        options = {**options, "kubeconfig": NO_KUBECONFIG}
        options.pop("context", None)
    if options.get("validate_certs") is False:
        # Helm refuses the two together; the modules ignore the CA.
        options.pop("ca_cert", None)
    if "context" in options and "ca_cert" in options:
        raise AnsibleFilterError("Helm cannot be given ca_cert beside context. Put the CA into the kubeconfig (certificate-authority).")
    return options


def _demand_one_cluster(meant: Mapping[str, Any]) -> None:
    """Raise AnsibleFilterError where Helm would take one cluster's credentials to another, or find another than the modules."""
    if "host" in meant and "api_key" not in meant:
        if not meant.keys() & {"kubeconfig", "context"}:
            raise AnsibleFilterError("With host alone, Helm takes the credentials of the default kubeconfig. Add api_key, or a kubeconfig.")
        server = _server(meant)
        if server and not same_server(str(meant["host"]), server):
            raise AnsibleFilterError(
                f"host is {without_userinfo(str(meant['host']))}, and the kubeconfig leads to {without_userinfo(server)}. "
                "Helm would send the credentials of the one to the other. Add api_key, or leave host out."
            )
    named = names_cluster(meant)
    if not named and os.path.isfile(SERVICE_ACCOUNT) and os.environ.get("KUBERNETES_SERVICE_HOST") and os.environ.get("KUBECONFIG"):
        raise AnsibleFilterError(
            "In this pod the modules would ask as its service account, and Helm by KUBECONFIG. Say which is meant: set kubeconfig or host."
        )


def _server(meant: Mapping[str, Any]) -> str:
    """Where a kubeconfig leads, empty where it cannot be read here: it may be on another machine."""
    try:
        return chosen(sources(meant.get("kubeconfig"), os.environ), str(meant.get("context") or "")).server
    except MeshlbError:
        return ""


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"helm_connection": helm_connection}
