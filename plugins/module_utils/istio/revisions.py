# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which revision of Istio a workload belongs to, and which objects a revision looks at.

Source: istio/istio pkg/kube/inject (the status annotation of injected pods), pkg/revisions (tags are labels of webhooks) and
pilot/pkg/config/kube/crdclient (objects with the label of another revision are left out).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from ..kube import kinds
from ..kube.objects import Obj, annotations_of, labels_of
from ..kube.snapshot import Snapshot
from .injection import STATUS
from .mesh import REVISION_LABEL, TAG_LABEL, read_mesh

_LONGEST = 10_000


def revision_of(snapshot: Snapshot, namespace_labels: Mapping[str, str], template: Obj, pods: Iterable[Obj]) -> str:
    """The revision that configures a workload's sidecars, as its pods say, or else as its labels ask; empty where that is not known."""
    labelled = labels_of(template).get(REVISION_LABEL, "")
    of_namespace = "default" if namespace_labels.get("istio-injection") == "enabled" else namespace_labels.get(REVISION_LABEL, "")
    seen = next(filter(None, map(_injected_by, pods)), "")
    known = (_known(snapshot, item) for item in (labelled, seen, of_namespace))
    return next(filter(None, known), "")


def _known(snapshot: Snapshot, word: str) -> str:
    """The revision that a word names, itself or as a tag; empty where there is none."""
    return word if word in read_mesh(snapshot).revisions else _tagged(snapshot, word)


def _injected_by(pod: Obj) -> str:
    text = annotations_of(pod).get(STATUS, "")
    try:
        found = json.loads(text) if 0 < len(text) < _LONGEST else {}
    except ValueError:
        return ""
    return str(found.get("revision") or "") if isinstance(found, dict) else ""


def _tagged(snapshot: Snapshot, tag: str) -> str:
    """The revision that a tag stands for."""
    if not tag:
        return ""
    hooks = (labels_of(item) for item in snapshot.all(kinds.WEBHOOK))
    return next((labels.get(REVISION_LABEL, "") for labels in hooks if labels.get(TAG_LABEL) == tag), "")


def is_of_revision(snapshot: Snapshot, obj: Obj, revision: str) -> bool:
    """Whether a revision looks at an object of Istio; one without a label is everybody's."""
    wanted = labels_of(obj).get(REVISION_LABEL)
    return wanted is None or not revision or wanted == revision or _tagged(snapshot, wanted) == revision
