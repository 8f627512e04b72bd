# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending requests to an entrypoint."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.prove.sending import Entrypoint, parse_entrypoint, send


@pytest.mark.parametrize(
    ("text", "expected", "url"),
    [
        ("http://10.96.0.1", Entrypoint("http", "10.96.0.1", 80), "http://10.96.0.1"),
        ("https://lb.example.com:8443/", Entrypoint("https", "lb.example.com", 8443), "https://lb.example.com:8443"),
        ("http://[fd00::1]:80", Entrypoint("http", "fd00::1", 80), "http://[fd00::1]"),
    ],
)
def test_entrypoints(text: str, expected: Entrypoint, url: str) -> None:
    found = parse_entrypoint(text)
    assert found == expected
    assert found.url == url


@pytest.mark.parametrize(
    "text", ["10.96.0.1", "ftp://10.96.0.1", "http://", "http://a/path", "http://a?b", "http://me:word@a", "http://a:99999", "http://[1"]
)
def test_other_text_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(MeshlbError, match="entrypoint"):
        parse_entrypoint(text)


def test_a_closed_port_is_an_error_per_request() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answers = send(Entrypoint("http", "127.0.0.1", taken.getsockname()[1]), "a.example.com", "/", 2, 1)
    assert answers.errors == ("connection refused",) * 2
    assert "connection refused 2x" in answers.describe()


def test_what_is_no_tls_is_an_error_per_request() -> None:
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        plain.listen()
        answers = send(Entrypoint("https", "127.0.0.1", plain.getsockname()[1]), "a.example.com", "/", 1, 0.2)
    assert len(answers.errors) == 1
