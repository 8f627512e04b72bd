# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which HTTPProxies with a host are valid: an invalid one is not served at all.

Source: projectcontour/contour internal/dag/httpproxy_processor.go (computeHTTPProxy, validHTTPProxies) and cache.go (delegations). That a
Secret exists, and what is in it, is not looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ...kube.objects import Obj, dig, name_of, namespace_of
from .settings import Settings

DELEGATION = "TLSCertificateDelegation.projectcontour.io"


class Roots:
    """All HTTPProxies with a host of one instance, and what lets namespaces use the certificates of others."""

    def __init__(self, settings: Settings, roots: Iterable[Obj], delegations: tuple[Obj, ...]) -> None:
        self._settings, self._delegations = settings, delegations
        self._by_host: dict[str, list[str]] = defaultdict(list)
        for item in roots:
            self._by_host[str(dig(item, "spec", "virtualhost", "fqdn", default="")).lower()].append(f"{namespace_of(item)}/{name_of(item)}")

    def why_invalid(self, root: Obj) -> str:
        """Why a root is invalid, as a clause; empty where it is valid."""
        host, namespace = str(dig(root, "spec", "virtualhost", "fqdn", default="")), namespace_of(root)
        sharing = self._by_host[host.lower()]
        if not host:
            return "virtualhost.fqdn is missing"
        if len(sharing) > 1:
            return f"fqdn {host} is used in several HTTPProxies ({', '.join(sorted(sharing))})"
        if not self._settings.roots.covers(namespace):
            return f"namespace {namespace} is none of --root-namespaces"
        if not any(dig(root, "spec", key) for key in ("routes", "includes", "tcpproxy")):
            return "it has neither routes nor includes nor a tcpproxy"
        return self._about_tls(root, dig(root, "spec", "virtualhost", "tls"))

    def _about_tls(self, root: Obj, tls: Obj | None) -> str:
        if tls is None:
            needs = [word for word, path in (
                ("tcpproxy", ("tcpproxy",)), ("virtualhost.authorization", ("virtualhost", "authorization", "extensionRef", "name")),
            ) if dig(root, "spec", *path)]
            return f"{needs[0]} needs virtualhost.tls" if needs else ""
        secret, passes = str(tls.get("secretName") or ""), bool(tls.get("passthrough"))
        if bool(secret) == passes:
            return f"virtualhost.tls has {'both' if passes else 'neither'} secretName {'and' if passes else 'nor'} passthrough"
        other, slash, name = secret.partition("/")
        if slash and other != namespace_of(root) and not self._is_delegated(other, name, namespace_of(root)):
            return f"certificate {secret} is not delegated to namespace {namespace_of(root)} by a TLSCertificateDelegation"
        stream = dig(root, "spec", "tcpproxy", default={})
        if stream.get("services") and (stream.get("include") or stream.get("includes")):
            return "tcpproxy has both services and include"
        return ""

    def _is_delegated(self, namespace: str, secret: str, target: str) -> bool:
        there = (item for item in self._delegations if namespace_of(item) == namespace)
        parts = (part for item in there for part in dig(item, "spec", "delegations", default=[]))
        return any(part.get("secretName") == secret and {"*", target} & set(part.get("targetNamespaces") or []) for part in parts)
