"""Folders for one run are removed at its end, or by a later run where it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pytest_mieb.support.scratch import PREFIX, Scratch, sweep

HOLD = """
import sys, time
from pytest_mieb.support.scratch import Scratch
scratch = Scratch()
(scratch.folder / "embeddings").mkdir()
print(scratch.folder, flush=True)
time.sleep(600)
"""
LATER = 3600.0


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def later() -> float:
    import time

    return time.time() + LATER


def test_it_is_gone_after_the_run(temporary: Path) -> None:
    scratch = Scratch()
    (scratch.folder / "file").write_text("x")
    assert scratch.folder.parent == temporary
    scratch.remove()
    assert list(temporary.iterdir()) == []


def test_that_of_a_killed_process_is_swept_and_that_of_a_living_one_is_not(temporary: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", HOLD]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(temporary)}
    ) as run:
        assert run.stdout
        folder = Path(run.stdout.readline().strip())
        sweep(later())
        assert (folder / "embeddings").is_dir()
        run.send_signal(signal.SIGKILL)
        run.wait()
    sweep()
    assert folder.is_dir()  # a process may not have taken its lock yet
    sweep(later())
    assert not folder.exists()


def test_folders_of_others_stay(temporary: Path) -> None:
    own, empty = temporary / f"{PREFIX}results", temporary / f"{PREFIX}empty"
    own.mkdir()
    (own / "CIFAR10.json").write_text("{}")
    empty.mkdir()
    (temporary / "pytest-mieb-of-mine").mkdir()
    sweep(later())
    assert sorted(path.name for path in temporary.iterdir()) == ["pytest-mieb-of-mine", own.name]
