# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ranges, records, processes, mounts and health."""

import ipaddress
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from meshlab import paths
from meshlab.cluster import config, health, host, mounts, pki, processes, record
from meshlab.errors import LabError, UsageError


def test_ranges_of_all_clusters_are_apart() -> None:
    """No range of one cluster touches any range of another, or another of its own."""
    every = [network for index in range(record.MAX_CLUSTERS) for network in record.ranges(index)]
    assert not any(one.overlaps(two) for one, two in itertools.combinations(every, 2))


def test_index_skips_other_clusters_and_routes_of_the_machine() -> None:
    """0 is taken by a cluster, 1 by a route inside its Service range."""
    routes = [ipaddress.IPv4Network("10.141.7.0/24"), ipaddress.IPv4Network("192.0.2.0/24")]
    assert record.choose_index([0], routes) == 2


def test_no_index_left_is_a_clear_error() -> None:
    """A machine that routes all of 10/8 elsewhere."""
    with pytest.raises(UsageError, match="no free address ranges"):
        record.choose_index([], [ipaddress.IPv4Network("10.0.0.0/8")])


def test_record_survives_a_round_trip() -> None:
    """What was saved is what is loaded."""
    cluster = record.Cluster("east", 3, addons={"istio": "x"})
    cluster.save()
    assert record.load("east") == cluster
    assert record.all_clusters() == [cluster]
    assert record.load("west") is None


def test_unreadable_record_names_the_way_out() -> None:
    """The error tells to take the cluster down."""
    cluster = record.Cluster("east", 3)
    cluster.save()
    (cluster.state / "cluster.json").write_text("{")
    with pytest.raises(LabError, match="lab down --name east"):
        record.load("east")
    assert record.all_clusters() == []


@pytest.mark.parametrize("name", ["", "East", "a/b", "9a", "a" * 21, "a b", "../x"])
def test_bad_names(name: str) -> None:
    """Names that would not do as part of a path or an interface."""
    with pytest.raises(UsageError):
        record.check_name(name)


def test_link_names_fit_the_kernel() -> None:
    """At most 15 characters, for the highest index too."""
    assert len(record.Cluster("x", record.MAX_CLUSTERS - 1).host_link) <= 15


def test_default_cluster_is_not_a_prefix_trap() -> None:
    """Namespaces of other clusters carry the project's name, the default one's is just that."""
    assert record.Cluster("meshlb", 0).netns == "meshlb"
    assert record.Cluster("east", 1).netns == "meshlb-east"


def test_parse_stat_with_a_difficult_program_name() -> None:
    """Names may hold blanks and brackets."""
    rest = " ".join(["S", *["0"] * 18, "4711", "0"])
    assert processes.parse_stat(f"12 (a) b (c)) {rest}") == ("S", 4711)


def test_own_process_is_alive_and_another_start_time_is_not() -> None:
    """A recycled pid has another start time."""
    start = processes.start_time(os.getpid())
    mine = processes.Process("x", os.getpid(), start, processes.boot_id(), "")
    assert processes.alive(mine)
    assert not processes.alive(processes.Process("x", os.getpid(), start + 1, processes.boot_id(), ""))
    assert not processes.alive(processes.Process("x", os.getpid(), start, "another boot", ""))
    assert not processes.alive(None)


def test_signal_spares_a_recycled_pid() -> None:
    """A signal for another start time is not sent."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        start = processes.start_time(child.pid)
        assert not processes.signal_pid(child.pid, start + 1, 9)
        assert child.poll() is None
        assert processes.signal_pid(child.pid, start, 9)
        assert child.wait(timeout=10) == -9
    finally:
        child.kill()


def test_start_and_stop(tmp_path: Path) -> None:
    """A started process is remembered, found alive, and gone after stop."""
    argv = [sys.executable, "-c", "print('hello', flush=True); import time; time.sleep(60)"]
    process = processes.start(tmp_path / "run", "demo", argv, tmp_path / "logs" / "demo.log")
    assert processes.load(tmp_path / "run", "demo") == process
    assert processes.alive(process)
    assert processes.stop(tmp_path / "run", "demo", patience=5)
    assert not processes.alive(process)
    assert not processes.stop(tmp_path / "run", "demo")


def test_spec_changes_with_a_named_configuration_file(tmp_path: Path) -> None:
    """A changed file means: start anew."""
    file = tmp_path / "proxy.json"
    file.write_text("1")
    before = processes.spec_of(["proxy", f"--config={file}"])
    file.write_text("2")
    assert processes.spec_of(["proxy", f"--config={file}"]) != before


def test_mount_table_with_blanks_in_names() -> None:
    """Octal escapes are undone; the kind stands behind the dash."""
    text = "36 35 98:0 / /mnt/a\\040b rw,noatime master:1 - ext3 /dev/root rw\n"
    assert mounts.parse(text) == [mounts.Mount(Path("/mnt/a b"), "ext3")]


def test_configuration_names_the_cluster_only() -> None:
    """Two clusters share no folder, no cgroup, no socket."""
    one, two = record.Cluster("one", 0), record.Cluster("two", 1)
    for cluster, other in ((one, two), (two, one)):
        text = config.containerd(cluster) + json.dumps([config.kubelet(cluster), config.cni(cluster), config.proxy(cluster)])
        assert str(cluster.state) in text
        assert str(other.state) not in text
        assert str(other.pod_range) not in text


def test_certificate_requests() -> None:
    """The API server answers to its Service address; the kubelet is in the nodes' group."""
    cluster = record.Cluster("east", 1)
    by_file = {identity.file: identity for identity in pki.identities(cluster)}
    assert "IP:10.141.0.1" in by_file["apiserver"].config()
    assert "O=system:nodes\nCN=system:node:east" in by_file["kubelet"].config()


def deployment(**status: int) -> dict[str, Any]:
    """A deployment of two pods."""
    meta = {"namespace": "apps", "name": "echo", "generation": 2}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "echo"}}}
    return {"kind": "Deployment", "metadata": meta, "spec": spec, "status": status}


def daemon_set(**status: int) -> dict[str, Any]:
    """Its like with a pod per node."""
    return {**deployment(observedGeneration=2, **status), "kind": "DaemonSet"}


def pod(ready: str = "True", **meta: object) -> dict[str, Any]:
    """A pod of it."""
    described = {"namespace": "apps", "labels": {"app": "echo", "more": "x"}, **meta}
    return {"metadata": described, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


def test_rolled_out_counts_pods_not_promises() -> None:
    """A deployment's own word is not enough."""
    done = deployment(observedGeneration=2, updatedReplicas=2, replicas=2, availableReplicas=2)
    assert health.rolled_out(done, [pod(), pod()])
    assert not health.rolled_out(done, [pod()])
    assert not health.rolled_out(done, [pod(), pod(namespace="other")])
    assert not health.rolled_out(deployment(observedGeneration=1, updatedReplicas=2, replicas=2), [pod(), pod()])
    assert not health.rolled_out(deployment(observedGeneration=2, updatedReplicas=2, replicas=3), [pod(), pod()])


def test_rolled_out_of_a_daemon_set_is_a_pod_per_node() -> None:
    """The number of nodes is its own word; the pods are counted."""
    done = daemon_set(desiredNumberScheduled=1, updatedNumberScheduled=1, currentNumberScheduled=1)
    assert health.rolled_out(done, [pod()])
    assert not health.rolled_out(done, [])
    assert not health.rolled_out(daemon_set(desiredNumberScheduled=1), [pod()])
    assert not health.rolled_out(daemon_set(), [])


def test_pod_ready() -> None:
    """Not ready, and about to go, do not count."""
    assert health.pod_ready(pod())
    assert not health.pod_ready(pod(ready="False"))
    assert not health.pod_ready(pod(deletionTimestamp="2026-01-01T00:00:00Z"))


def test_machine_is_restored_with_the_last_cluster_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders that were there before stay, with their files; made ones go once they hold nothing."""
    before, made = tmp_path / "before", tmp_path / "made"
    monkeypatch.setattr(host, "FOLDERS", (before, made))
    monkeypatch.setattr(host, "SETTINGS", ())
    monkeypatch.setattr("meshlab.paths.NETNS_FOLDER", tmp_path / "netns")
    for folder in (before, made):
        if folder is made:
            host.remember()
        (folder / "device-plugins").mkdir(parents=True)
        (folder / "device-plugins" / "kubelet.sock").touch()
    cluster = record.Cluster("east", 0)
    cluster.save()
    host.restore()
    assert made.exists()
    (cluster.state / "cluster.json").unlink()
    cluster.state.rmdir()
    host.restore()
    assert not made.exists()
    assert (before / "device-plugins" / "kubelet.sock").exists()
    assert not paths.state_root().exists()


def test_pod_results_of_a_longer_name_are_left_alone() -> None:
    """The default cluster's name begins the names of all others."""
    pod = "a" * 64
    assert host.POD.fullmatch(pod)
    assert not host.POD.fullmatch(f"east-{pod}")
