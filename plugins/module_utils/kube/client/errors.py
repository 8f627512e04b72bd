# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an API server's refusal means, in a sentence. Pure: texts and numbers in, one of ``errors`` out."""

from __future__ import annotations

import re
from typing import Any

from ...core.errors import ApiError, ApiUnreachable, Conflict, DryRunUnsupported, Forbidden, Gone, NotFound, Rejected, Unauthorized
from ...core.model import ObjectRef
from ..json_text import from_json
from ..objects import kind_key
from ..rights import hint_for

_DENIED = re.compile(r'admission webhook "([^"]+)" denied the request(?: without explanation)?:?\s*(.*)', re.DOTALL)
_NO_DRY_RUN = re.compile(r'admission webhook "([^"]+)" does not support dry run')
_BROKEN = re.compile(r'failed calling webhook "([^"]+)":?\s*(.*)', re.DOTALL)
_SSL_REASON = re.compile(r"\[SSL[^\]]*\] (.+?)(?: \(_ssl|['\"]?\)|$)")
_CONNECTION_NOISE = re.compile(r"^.*?Failed to (?:establish a new connection|resolve '[^']*'): |^<[^>]+>: |\[Errno -?\d+\] ")
_LONGEST = 2000

RENEW = "Log in again, or renew the token or the client certificate that the connection options or the kubeconfig name."


def refusal(status: int, text: str, action: str, server: str, ref: ObjectRef | None = None, kind: str = "") -> ApiError:
    """The error for an answer of status 4xx or 5xx. ``action`` says what was tried: ``list Ingress``; ``kind`` is what was to be listed."""
    said = _sentence(_message(text))
    details = {"status": status, "server": server, "action": action, "answer": said}
    webhook = _webhook(said, action, ref, details)
    if webhook is not None:
        return webhook
    where = f"The API server {server}"
    if status == 401:
        return Unauthorized(f"{where}: the credentials were refused or have expired ({action}).", RENEW, ref, details)
    if status == 403:
        hint = hint_for(kind_key(ref.api_version, ref.kind), one=True) if ref else hint_for(kind)
        return Forbidden(f"Not allowed to {action}: {said}", hint, ref, details)
    known = {404: NotFound, 409: Conflict, 410: Gone, 422: Rejected}.get(status)
    if known is not None:
        return known(f"Could not {action}: {said}", "", ref, details)
    error = ApiError(f"{where} answers {status} ({action}): {said}", "", ref, details)
    error.status = status
    return error


def _message(text: str) -> str:
    """What a Status object says; of anything else (a proxy's page, say) the beginning."""
    try:
        found = from_json(text)
    except ValueError:
        return " ".join(text.split())[:_LONGEST]
    message = found.get("message") if isinstance(found, dict) else None
    return str(message or found)[:_LONGEST]


def _sentence(text: str) -> str:
    text = text.strip() or "no explanation"
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _webhook(said: str, action: str, ref: ObjectRef | None, details: dict[str, Any]) -> ApiError | None:
    unsupported = _NO_DRY_RUN.search(said)
    if unsupported:
        name = unsupported[1]
        details = {**details, "webhook": name}
        return DryRunUnsupported(f"The admission webhook {name} does not support dry runs.", "", ref, details)
    denied = _DENIED.search(said)
    if denied:
        why = denied[2] if denied[2].strip(" .") else "it gave no explanation."
        hint = "Change what it objects to, or ask those who run it."
        return Rejected(f"The admission webhook {denied[1]} refused to {action}: {why}", hint, ref, details, denied[1])
    broken = _BROKEN.search(said)
    if broken:
        hint = "Bring the webhook's backend up; while it is down, nobody can make such changes."
        message = f"The admission webhook {broken[1]} could not be called, so the API server did not {action}: {broken[2]}"
        return Rejected(message, hint, ref, details, broken[1])
    return None


def unreachable(error: BaseException, server: str) -> ApiUnreachable:
    """The error for a request that got no answer."""
    cause = getattr(error, "reason", None) or error
    text, name = str(cause), type(cause).__name__
    details = {"server": server, "cause": name}
    if "SSL" in name or "SSL" in text or "CERTIFICATE" in text:
        return _tls(text, server, details)
    if "ConnectTimeout" in name or "timed out" in text:
        why, hint = "it did not answer in time", "Check the address, and whether a firewall or a VPN stands in between."
    elif "NameResolution" in name or "getaddrinfo" in text or "Name or service not known" in text:
        why, hint = "its name cannot be resolved", "Check the host name in the connection options or the kubeconfig."
    elif "Proxy" in name:
        why, hint = "the proxy cannot be reached or refuses", "Check the proxy and no_proxy options."
    else:
        why = (_CONNECTION_NOISE.sub("", text).strip() or name)[:_LONGEST]
        hint = "Check the host or the kubeconfig's context, and that the cluster is up."
    return ApiUnreachable(f"Cannot reach the API server {server}: {why}.", hint, details=details)


def _tls(text: str, server: str, details: dict[str, str]) -> ApiUnreachable:
    found = _SSL_REASON.search(text)
    why = found[1].rstrip(".") if found else text
    if "wrong version number" in text.lower():
        hint = "Does it speak plain HTTP? Then its address starts with http://."
    elif "verify failed" in text.lower():
        hint = "Set ca_cert to the cluster's certificate authority (the full chain), or correct the host name."
    else:
        hint = "Check client_cert, client_key and ca_cert."
    return ApiUnreachable(f"TLS with the API server {server} failed: {why}.", hint, details=details)
