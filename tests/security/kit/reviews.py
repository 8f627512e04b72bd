# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fake API server lets its caller do, by the rules of ClusterRoles."""

from __future__ import annotations

import re


def asked(request):
    """(group, resource, verb, name) of a request; ``None`` where everybody may ask (discovery, version, reviews of oneself)."""
    path = request.path
    found = re.fullmatch(r"/(?:api/v1|apis/([^/]+)/[^/]+)(?:/namespaces/[^/]+(?=/[^/]))?/([a-z]+)(?:/([^/]+))?(?:/([a-z]+))?", path)
    if not found or found[2].startswith("selfsubject"):
        return None
    group, resource, name = found[1] or "", found[2], found[3] or ""
    if found[4]:
        return group, f"{resource}/{found[4]}", "create" if found[4] in ("exec", "portforward") else verb(request, name), name
    return group, resource, verb(request, name), name


def verb(request, name):
    if request.method == "GET":
        return "get" if name else "list"
    return {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(request.method, "")


def grants(rules, group, resource, word, name=""):
    """Whether one of the rules grants it."""
    for rule in rules:
        fits = any(item in ("*", group) for item in rule.get("apiGroups", []))
        fits = fits and any(item in ("*", resource) for item in rule.get("resources", []))
        fits = fits and any(item in ("*", word) for item in rule.get("verbs", []))
        if fits and (not rule.get("resourceNames") or name in rule["resourceNames"]):
            return True
    return False


def refusal(rules, request):
    """The text with which a request is refused; empty where it is granted."""
    found = asked(request) if rules is not None else None
    if found is None or grants(rules, *found):
        return ""
    group, resource, word, name = found
    if request.method == "PATCH" and "apply" in request.headers.get("content-type", "") and grants(rules, group, resource, "create"):
        return ""
    whole = f"{resource}.{group}" if group else resource
    return f'{whole} "{name}" is forbidden: User "checks" cannot {word} resource "{resource}" in API group "{group}"'


def review(rules, body):
    """The answer to a SelfSubjectAccessReview or a SelfSubjectRulesReview."""
    body = body if isinstance(body, dict) else {}
    wanted = ((body.get("spec") or {}).get("resourceAttributes") or {}) if isinstance(body.get("spec"), dict) else {}
    resource = wanted.get("resource", "") + (f"/{wanted['subresource']}" if wanted.get("subresource") else "")
    allowed = rules is None or grants(rules, wanted.get("group", ""), resource, wanted.get("verb", ""), wanted.get("name", ""))
    everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    status = {"allowed": allowed, "resourceRules": everything if rules is None else rules, "nonResourceRules": [], "incomplete": False}
    return {**body, "status": {**status, "userInfo": {"username": "checks"}}}
