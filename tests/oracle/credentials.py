# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a client shows: certificates of a CA and tokens of an issuer, both made for one run, and what filters ask for in them."""

from __future__ import annotations

import base64
import datetime
import functools
import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

Settings = Mapping[str, Any]
KEY_ID = "oracle"
CONSENT = {"x-ext-authz": "allow"}
"""What whoever is asked about a request wants to see."""


class Authority:
    """A CA and an issuer of tokens, with files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "oracle")])
        self._clients: dict[str, ssl.SSLContext] = {}
        self.certificate = self._certificate("", self._key)

    @functools.cached_property
    def server(self) -> tuple[str, str]:
        """The certificate of all backends and its key, as PEM."""
        return self._pair("spiffe://cluster.local/ns/backend/sa/default")

    def client(self, identity: str) -> ssl.SSLContext:
        """The TLS settings of a client with this SPIFFE name. It takes whatever the server shows."""
        if identity not in self._clients:
            self._clients[identity] = self._new_client(identity)
        return self._clients[identity]

    def _new_client(self, identity: str) -> ssl.SSLContext:
        path = self._folder / f"client-{len(self._clients)}.pem"
        path.write_text("".join(self._pair(identity)), encoding="utf-8")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(path)
        return context

    def _pair(self, identity: str) -> tuple[str, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        own = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return self._certificate(identity, key), own.decode()

    def _certificate(self, identity: str, key: ec.EllipticCurvePrivateKey) -> str:
        now = datetime.datetime.now(datetime.UTC)
        made = x509.CertificateBuilder().issuer_name(self._name).subject_name(x509.Name([]) if identity else self._name)
        made = made.public_key(key.public_key()).serial_number(x509.random_serial_number())
        made = made.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=2))
        made = made.add_extension(x509.BasicConstraints(ca=not identity, path_length=None), critical=True)
        if identity:
            made = made.add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True)
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    @functools.cached_property
    def keys(self) -> str:
        """The issuer's keys, in the form in which filters have them."""
        point = self._key.public_key().public_numbers()
        own = {"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": KEY_ID, "x": _number(point.x), "y": _number(point.y)}
        return json.dumps({"keys": [own]})

    def token(self, claims: Mapping[str, Any]) -> str:
        """A signed token. It does not expire before the run ends."""
        head = {"alg": "ES256", "kid": KEY_ID, "typ": "JWT"}
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
        body = ".".join(_text(json.dumps(part).encode()) for part in (head, {**claims, "exp": int(soon.timestamp())}))
        pair = utils.decode_dss_signature(self._key.sign(body.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{body}.{_text(b''.join(part.to_bytes(32, 'big') for part in pair))}"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _text(value.to_bytes(32, "big"))


def asked_headers(filters: Sequence[Settings]) -> dict[str, str]:
    """Headers that rules compare, with values that they want. What a connection has anyhow is not among them."""
    found: dict[str, str] = dict(CONSENT)
    for wanted in _under("header", filters):
        name = str(wanted["name"]).lower()
        if not name.startswith(":") and name not in ("host", "authorization"):
            found.setdefault(name, _meeting(wanted.get("string_match") or {}))
    return found


def asked_client(filters: Sequence[Settings]) -> str:
    """A client's address that rules compare, or one that they do not."""
    return next((str(wanted["address_prefix"]) for wanted in _under("remote_ip", filters)), "198.51.100.1")


def asked_claims(filters: Sequence[Settings]) -> dict[str, Any]:
    """Claims that rules compare, with values that they want."""
    found: dict[str, Any] = {}
    for wanted in (*_under("metadata", filters), *(item["metadata_matcher"] for item in _under("sourced_metadata", filters))):
        way = [str(part["key"]) for part in wanted["path"]]
        way = way[1:] if way[0] == "payload" else way
        value = next((_meeting(text) for text in _texts(wanted["value"])), "any")
        node = found
        for part in way[:-1]:
            node = node.setdefault(part, {})
        node.setdefault(way[-1], value)
    return found


def _under(key: str, node: Any) -> Iterator[Any]:
    """Everything under a key, wherever it is."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name == key:
                yield value
            else:
                yield from _under(key, value)
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from _under(key, item)


def _texts(value: Any) -> Iterator[Settings]:
    yield from _under("string_match", value)


def _meeting(wanted: Settings) -> str:
    """A text that meets a comparison; expressions are taken to be met by any text, unless they name one."""
    return next((str(wanted[kind]) for kind in ("exact", "prefix", "suffix", "contains") if wanted.get(kind)), "any")
