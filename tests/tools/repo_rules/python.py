# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for Python files: their size, and the doors between the four rooms."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .model import Problem, Repository

MAX_LINES = 300
MODULE_UTILS = "plugins/module_utils/"
# plan/ and the model are pure: they can be tested without a cluster and without Ansible.
PURE = (f"{MODULE_UTILS}plan/*.py", f"{MODULE_UTILS}model.py")
IMPURE_PACKAGES = frozenset({"ansible", "kubernetes", "requests", "socket", "urllib3"})
IMPURE_COLLECTION = "ansible_collections.kubernetes"
VENDORS = frozenset(
    """ingress_nginx f5_nginx emissary traefik haproxy_ingress haproxytech kong contour envoy_gateway nginx_gateway_fabric
    apisix gloo kgateway skipper pomerium caddy tyk higress voyager easegress netscaler cilium openshift_router
    gke_ingress gke_gateway gke_neg aws_alb aws_nlb azure_lb azure_agic azure_agc alibaba_alb alibaba_clb oci_lb digitalocean_lb
    openshift_route f5_cis cloudflare_tunnel""".split()
)
VENDOR_BLIND = (
    *(f"{MODULE_UTILS}{room}/*.py" for room in ("plan", "observe", "apply", "prove")),
    f"{MODULE_UTILS}model.py",
    "plugins/modules/*.py",
)
# What a module says to its users may name a vendor; what it decides may not.
DOCUMENTS = frozenset({"DOCUMENTATION", "EXAMPLES", "RETURN"})


def size(repository: Repository) -> Iterator[Problem]:
    """A file over the limit has a second room in it."""
    for name in repository.matching("*.py"):
        lines = len(repository.text(name).splitlines())
        if lines > MAX_LINES:
            yield Problem(name, lines, f"{lines} lines, more than {MAX_LINES}")


def exits(repository: Repository) -> Iterator[Problem]:
    """Only a module ends a module: anything below it returns or raises."""
    for name in repository.matching("plugins/*.py"):
        tree = repository.tree(name)
        if tree is None or name.startswith("plugins/modules/"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("exit_json", "fail_json"):
                yield Problem(name, node.lineno, f"{node.attr} belongs into plugins/modules")


def imported_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every absolute import of a file, wherever in the file it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module


def purity(repository: Repository) -> Iterator[Problem]:
    """The pure room imports no Ansible, no client for Kubernetes, and nothing that reaches the network."""
    for name in repository.matching(*PURE):
        tree = repository.tree(name)
        for line, module in imported_names(tree) if tree else ():
            if module.split(".")[0] in IMPURE_PACKAGES or module.startswith(IMPURE_COLLECTION):
                yield Problem(name, line, f"imports {module}: this file is pure")


def _document_strings(tree: ast.Module) -> set[int]:
    """The identities of string nodes that are documents or docstrings."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(id(node.value))
        elif isinstance(node, ast.Assign) and any(getattr(target, "id", "") in DOCUMENTS for target in node.targets):
            found.update(id(child) for child in ast.walk(node.value))
    return found


def vendor_names(repository: Repository) -> Iterator[Problem]:
    """Nothing but a vendor's or a platform's profile knows its name."""
    for name in repository.matching(*VENDOR_BLIND):
        tree = repository.tree(name)
        if tree is None:
            continue
        documents = _document_strings(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node.value in VENDORS and id(node) not in documents:
                yield Problem(name, node.lineno, f"names the vendor {node.value}: ask its profile in {MODULE_UTILS}vendors")
