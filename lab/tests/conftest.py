# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the lab's package importable, and keeps every test away from the real cache and state."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cache and state below the test's own folder; no cluster stands in."""
    monkeypatch.setenv("MESHLB_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MESHLB_LAB_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("MESHLB_KUBECONFIG", raising=False)
