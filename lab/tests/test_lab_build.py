# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cache keys, artifacts, layers, images and disk space."""

import hashlib
import io
import json
import tarfile
import time
from pathlib import Path

import pytest
from meshlab import paths, versions
from meshlab.addons import ADDONS
from meshlab.build import builder, cache, disk, images, layers, toolchain
from meshlab.build.specs import Image, Item, Layer
from meshlab.cluster.lifecycle import images_of
from meshlab.errors import LabError, UsageError


def test_key_depends_on_every_part_and_not_on_order_of_names() -> None:
    """Equal inputs give equal keys, others do not."""
    assert cache.key_of({"a": 1, "b": 2}) == cache.key_of({"b": 2, "a": 1})
    assert cache.key_of("a", "b") != cache.key_of("ab")


def test_digest_of_a_folder_sees_names_and_contents(tmp_path: Path) -> None:
    """A moved or changed file changes the digest; byte code does not."""
    (tmp_path / "one").write_text("1")
    first = cache.digest_tree(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.pyc").write_text("")
    assert cache.digest_tree(tmp_path) == first
    (tmp_path / "one").rename(tmp_path / "two")
    assert cache.digest_tree(tmp_path) != first


def test_artifact_is_built_once() -> None:
    """The second time there is nothing to do."""
    artifact = cache.Artifact("thing", "key")
    assert artifact.ensure(lambda folder: (folder / "file").touch())
    assert not artifact.ensure(lambda folder: pytest.fail("built again"))
    assert (artifact.folder / "file").exists()


def test_interrupted_build_is_not_taken_for_complete() -> None:
    """A failing builder leaves nothing that counts as ready."""

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise LabError("no")

    artifact = cache.Artifact("thing", "key")
    with pytest.raises(LabError):
        artifact.ensure(fail)
    assert not artifact.ready
    assert artifact.ensure(lambda folder: None)
    assert not (artifact.folder / "half").exists()


def test_prune_keeps_what_is_used_or_recent() -> None:
    """Only old keys that nothing asked for lately go, and unfinished builds."""
    for name in ("used", "recent"):
        cache.Artifact(name, "1").ensure(lambda folder: None)
    (paths.built() / "broken.part").mkdir()
    used = cache.Artifact("used", "1").folder
    assert cache.prune([used]) == ["broken.part"]
    later = time.time() + (cache.KEEP_UNUSED_DAYS + 1) * 86400
    assert cache.prune([used], now=later) == ["recent-1"]
    assert used.exists()


def test_lock_waits_for_the_other(tmp_path: Path) -> None:
    """A taken lock is noticed; a free one is not waited for."""
    said: list[str] = []
    with cache.lock(tmp_path / "lock", lambda: said.append("waiting")):
        pass
    assert said == []


def test_layer_is_the_same_in_every_build(tmp_path: Path) -> None:
    """No time stamps, owners or orders of the machine get into a layer."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "b").write_text("two")
    (source / "a").write_text("one")
    layer = Layer("test", (Item("opt/files", source, owner=33), Item("opt/link", link="files/a"), Item("opt/empty")))
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        layers.build_layer(layer, tmp_path / name)
    tars = [(tmp_path / name / layers.TAR).read_bytes() for name in ("first", "second")]
    assert tars[0] == tars[1]
    with tarfile.open(fileobj=io.BytesIO(tars[0])) as tar:
        assert tar.getnames() == ["opt", "opt/files", "opt/files/a", "opt/files/b", "opt/link", "opt/empty"]
        assert tar.getmember("opt/files/a").uid == 33


def test_edited_item_changes_content_and_key(tmp_path: Path) -> None:
    """An edit is applied, and its text belongs to the key."""
    source = tmp_path / "file"
    source.write_text("plain")

    def louder(text: str) -> str:
        return text.upper()

    plain, edited = Layer("x", (Item("f", source),)), Layer("x", (Item("f", source, edit=louder),))
    assert plain.artifact.key != edited.artifact.key
    layers.build_layer(edited, tmp_path)
    with tarfile.open(tmp_path / layers.TAR) as tar:
        handle = tar.extractfile("f")
        assert handle
        assert handle.read() == b"PLAIN"


def test_archive_holds_each_shared_layer_once(tmp_path: Path) -> None:
    """Two images of one layer: two entries in the manifest, one layer."""
    (tmp_path / "f").write_text("x")
    layer = Layer("shared", (Item("f", tmp_path / "f"),))
    layer.artifact.ensure(lambda folder: layers.build_layer(layer, folder))
    pair = [Image("one", "1", (layer,), entrypoint=("/f",)), Image("two", "1", (layer,))]
    sink = io.BytesIO()
    images.write_archive(pair, sink)
    sink.seek(0)
    with tarfile.open(fileobj=sink) as tar:
        names = tar.getnames()
        manifest = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
        config = tar.extractfile(manifest[0]["Config"]).read()  # type: ignore[union-attr]
    assert sum(name.endswith("layer.tar") for name in names) == 1
    assert [entry["RepoTags"] for entry in manifest] == [["lab.local/one:1"], ["lab.local/two:1"]]
    assert manifest[0]["Config"] == hashlib.sha256(config).hexdigest() + ".json"
    assert json.loads(config)["rootfs"]["diff_ids"] == [layers.facts(layer)[0]]


def test_shortage_says_what_where_and_what_to_do() -> None:
    """The message has both numbers and the way out."""
    text = disk.shortage(Path("/srv"), 15.5, 3.25)
    assert "15.5 GB needed at /srv, 3.2 GB free" in text
    assert "MESHLB_LAB_CACHE" in text


def test_check_refuses_only_what_does_not_fit(tmp_path: Path) -> None:
    """Enough is silent, too little is a usage error."""
    disk.check([(tmp_path, 0.0)])
    with pytest.raises(UsageError):
        disk.check([(tmp_path, 1e9)])


def test_requirements_of_one_file_system_are_added_up() -> None:
    """Cache and state on one disk need both at once."""
    assert [need for dummy, need in disk.requirements(10, 4)] == [14]


def test_trim_removes_read_only_module_files() -> None:
    """Go makes module files read-only."""
    folder = paths.go_caches() / "mod" / "m"
    folder.mkdir(parents=True)
    (folder / "file").touch()
    (folder / "file").chmod(0o444)
    folder.chmod(0o555)
    disk.trim_go_caches()
    assert not paths.go_caches().exists()


@pytest.mark.parametrize(
    ("said", "version"),
    [("go version go1.26.8 linux/amd64", (1, 26, 8)), ("go version go1.27 linux/amd64", (1, 27, 0)), ("", (0, 0, 0))],
)
def test_go_version(said: str, version: tuple[int, int, int]) -> None:
    """Releases with and without a patch number."""
    assert toolchain.parse_version(said) == version


def test_the_pinned_go_is_new_enough() -> None:
    """Wheels from the oldest to the newest; one of them is enough for every go.mod, and the oldest where that is."""
    known = [toolchain.parse_version(f"go{wheel[1]}") for wheel in versions.GO_WHEELS]
    assert known == sorted(known)
    assert known[0] >= versions.GO_MINIMUM
    for module in paths.GO_PROGRAMS.glob("*/go.mod"):
        minimum = toolchain.needed_by(module)
        assert minimum >= versions.GO_MINIMUM
        assert toolchain.parse_version(f"go{toolchain.wheel_for(minimum)[1]}") >= minimum, module


def test_needed_puts_sources_before_layers() -> None:
    """Everything once, and nothing before what it is made of."""
    wanted = builder.needed(images_of(list(ADDONS.values())), [])
    names = [item.artifact.name for item in wanted]
    # Two versions of one wheel are two things.
    assert len(names) == len({item.artifact.folder for item in wanted})
    assert names.index("istio") < names.index("layer-istio")
    assert builder.room(wanted) > 5
