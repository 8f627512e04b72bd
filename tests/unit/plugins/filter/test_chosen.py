# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which load balancers a list of words means."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.meshlb.istio.plugins.filter.chosen import chosen

EAST = {"namespace": "east", "name": "controller", "vendor": "ingress_nginx"}
WEST = {"namespace": "west", "name": "gate", "vendor": "f5_nginx"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], [EAST, WEST]),
        (["east/controller"], [EAST]),
        (["gate"], [WEST]),
        (["ingress_nginx"], [EAST]),
        ("", [EAST, WEST]),
        ("ingress_nginx", [EAST]),
        ("ingress_nginx, west/gate", [EAST, WEST]),
    ],
)
def test_words(words: list[str] | str, expected: list[dict[str, str]]) -> None:
    """A string is what -e on the command line makes of a single word."""
    assert chosen([EAST, WEST], words) == expected


def test_a_word_that_means_none() -> None:
    """It is named, with what there is."""
    with pytest.raises(AnsibleFilterError, match="meant by 'traefik'.*east/controller"):
        chosen([EAST, WEST], ["traefik"])
