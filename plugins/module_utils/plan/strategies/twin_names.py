# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a headless twin is called: the one place that knows the names of this release and of earlier ones.

Of two Services that were made in the same second, Istio takes the one whose host comes first for the older one, and the older one
decides how the backend's sidecar handles their common port. A twin must not be that one. So its host comes after the Service's: what
follows the Service's name is greater than the dot that ends the name in a host, which a hyphen is not.
"""

from __future__ import annotations

import hashlib

from .naming import is_hashed, object_name

LIMIT = 63
"""Characters of a label in DNS, and so of a Service's name."""
ENDINGS = tuple(f"{number}meshlb" for number in range(10))
"""The first is the usual one. The others are for a twin that takes another one's place, and where somebody else has the name."""
FORMER_ENDINGS = ("-meshlb",)
"""Of earlier releases. What has these names is kept, replaced and taken back, but nothing is made with them any more."""


def valid_names(service: str) -> tuple[str, ...]:
    """Names for a twin of this Service, the usual one first; none where no valid name comes after the Service's."""
    return tuple(name for name in (_after(service, ending) for ending in ENDINGS) if name)


def former_names(service: str) -> tuple[str, ...]:
    """Names that earlier releases gave a twin of this Service."""
    return tuple(object_name(f"{service}{ending}") for ending in FORMER_ENDINGS)


def known_names(service: str) -> tuple[str, ...]:
    """Every name that a twin of this Service may have."""
    return (*valid_names(service), *former_names(service))


def is_twin_name(name: str) -> bool:
    """Whether this release or an earlier one gives a twin such a name."""
    return name.endswith((*ENDINGS, *FORMER_ENDINGS)) or is_hashed(name)


def _after(service: str, ending: str) -> str:
    if len(service) + len(ending) <= LIMIT:
        return object_name(f"{service}{ending}")
    rest = f"z{hashlib.sha256(service.encode()).hexdigest()[:8]}{ending}"
    # Cut where the Service's own name goes on with something less than what is put in its place.
    place = next((position for position in range(LIMIT - len(rest), 0, -1) if service[position] < "z"), 0)
    return f"{service[:place]}{rest}" if place else ""
