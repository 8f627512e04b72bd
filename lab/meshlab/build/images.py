# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images as one archive stream for containerd; nothing but the layers is kept on disk."""

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from typing import IO

from meshlab.build.layers import TAR, facts
from meshlab.build.specs import Image


def configuration(image: Image) -> bytes:
    """The image's configuration document."""
    config = {
        "Entrypoint": list(image.entrypoint) or None,
        "Env": list(image.env),
        "User": image.user,
        "WorkingDir": image.workdir,
    }
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [facts(layer)[0] for layer in image.layers]},
    }
    return json.dumps(document, sort_keys=True).encode()


def write_archive(images: Sequence[Image], sink: IO[bytes]) -> None:
    """Write one archive of several images, each shared layer once."""
    manifest: list[dict[str, object]] = []
    written: set[str] = set()
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for image in images:
            names = []
            for layer in image.layers:
                name = f"{layer.artifact.name}-{layer.artifact.key}/layer.tar"
                names.append(name)
                if name not in written:
                    written.add(name)
                    tar.add(layer.artifact.folder / TAR, name)
            config = configuration(image)
            config_name = f"{hashlib.sha256(config).hexdigest()}.json"
            add_bytes(tar, config_name, config)
            manifest.append({"Config": config_name, "RepoTags": [image.ref], "Layers": names})
        add_bytes(tar, "manifest.json", json.dumps(manifest).encode())


def add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a small document."""
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def size(image: Image) -> int:
    """Bytes of all layers of an image, shared ones included."""
    return sum(facts(layer)[1] for layer in image.layers)
