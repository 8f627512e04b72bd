# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognising workloads and classes by a load balancer's signs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

from ...kube.objects import Obj, containers_of, dig, image_name, labels_of, pod_template
from ..contract.recognition import CONFIDENCES, Confidence, Recogniser, Recognition, Signs


def recognition_of(recogniser: Recogniser, workload: Obj) -> Recognition | None:
    """Return why this workload is the load balancer's data plane, or ``None``."""
    return recogniser.workload(workload) if recogniser.workload else by_signs(recogniser.signs, workload)


def by_signs(signs: Signs, workload: Obj) -> Recognition | None:
    """The strongest recognition among a workload's containers."""
    template = pod_template(workload)
    found = (recognise_container(signs, container, template) for container in containers_of(template))
    return max(filter(None, found), key=lambda item: CONFIDENCES.index(item.confidence), default=None)


def by_companion(signs: Signs, programs: frozenset[str], text: str, *, init: bool = False) -> Callable[[Obj], Recognition | None]:
    """By a container of the operator's beside the proxy (or before it), which runs these programs, else by signs.

    The proxy is the pod's first container, and the operator's version counts.
    """
    described = f"init container {{}} runs {text}" if init else f"container {{}} runs {text}"

    def recognised(workload: Obj) -> Recognition | None:
        template = pod_template(workload)
        for item in dig(template, "spec", "initContainers", default=[]) if init else containers_of(template):
            if programs <= set(programs_of(item)):
                return Recognition("certain", (described.format(item.get("name")),), containers_of(template)[0], version_of(item))
        return by_signs(signs, workload)

    return recognised


def workload_labels(workload: Obj) -> dict[str, str]:
    """Labels of a workload and of its pods."""
    return {**labels_of(workload), **labels_of(pod_template(workload))}


def claims_class(controllers: Iterable[str], controller: str) -> bool:
    """Whether an IngressClass's ``spec.controller`` is one of these, of which one that ends in an asterisk or ``/`` is a prefix."""
    return any(
        controller.startswith(item.rstrip("*")) if item.endswith(("/", "*")) else controller == item for item in controllers
    )


def version_of(container: Obj) -> str:
    """The version that a container's image is tagged with."""
    return image_name(str(container.get("image", "")))[1].lstrip("v")


def programs_of(container: Obj) -> tuple[str, ...]:
    """What a container's command line names as programs and subcommands, without directories, in order."""
    words = words_of(container)
    # What follows an option without "=" is its value; what follows "--" is a program again.
    values = {number + 1 for number, (word, dummy) in enumerate(pairwise(words)) if _takes_value(word)}
    return tuple(
        word.rpartition("/")[2] for number, word in enumerate(words) if not word.startswith("-") and number not in values
    )


def _takes_value(word: str) -> bool:
    return word.startswith("-") and word != "--" and "=" not in word


def words_of(container: Obj) -> list[str]:
    """The command line of a container as it is written."""
    return [str(word) for word in [*(container.get("command") or []), *(container.get("args") or [])]]


def recognise_container(signs: Signs, container: Obj, template: Obj) -> Recognition | None:
    """Match one container against a vendor's signs."""
    path = image_name(str(container.get("image", "")))[0]
    image = next((item for item in signs.images if _is_image(path, item)), "")
    programs = programs_of(container)
    evidence: list[tuple[str, Confidence]] = [
        (f"container {container.get('name')} runs {item}", "certain") for item in signs.commands if item in programs
    ][:1]
    if image:
        evidence.append((f"image {path} ends in {image}", "certain"))
    evidence += _weaker_evidence(signs, container, template)
    if not evidence:
        return None
    confidence = max((word for dummy, word in evidence), key=CONFIDENCES.index)
    sole_word = "/" not in image and path.removeprefix("library/") != image and all(word == "possible" for dummy, word in evidence[1:])
    texts = tuple(text for text, dummy in evidence)
    return Recognition(confidence, texts, container, version_of(container) if image else "", bool(image) and sole_word)


def _is_image(path: str, sign: str) -> bool:
    """Whether an image's path ends in a sign, in a mirror too that joins the parts of a path with dashes."""
    joined = f"-{sign.replace('/', '-')}" if "/" in sign else ""
    return f"/{path}".endswith(f"/{sign}") or bool(joined and f"-{path.rpartition('/')[2]}".endswith(joined))


def _weaker_evidence(signs: Signs, container: Obj, template: Obj) -> list[tuple[str, Confidence]]:
    """Options, environment variables and labels: of each the first set that is there as a whole."""
    flags = {word.lstrip("-").partition("=")[0] for word in words_of(container) if word.startswith("-")}
    variables = {str(item.get("name", "")) for item in container.get("env") or []}
    labels = dict(template.get("metadata", {}).get("labels") or {})
    found: list[tuple[str, Confidence]] = []
    for flag_set in [item for item in signs.flags if item <= flags][:1]:
        found.append(("arguments " + ", ".join(f"--{item}" for item in sorted(flag_set)), "likely"))
    for names in [item for item in signs.variables if item <= variables][:1]:
        found.append(("environment " + ", ".join(sorted(names)), "likely"))
    for pairs in [item for item in signs.labels if item <= set(labels.items())][:1]:
        found.append(("labels " + ", ".join(f"{key}={value}" for key, value in sorted(pairs)), "possible"))
    return found
