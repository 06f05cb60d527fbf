"""A claim is one process's, until that lets go of it, dies, or is heard of no more."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_mieb.embedding import claims as module
from pytest_mieb.embedding.claims import Claim, Claims, sweep
from tests.processes import ended


def test_what_one_has_claimed_no_other_gets(tmp_path: Path) -> None:
    mine, other = Claims(tmp_path, "run"), Claims(tmp_path, "another run")
    taken = mine.take("stream/0", "some items")
    assert taken
    assert other.take("stream/0") is None
    assert other.take("stream/1")
    mine.release(taken)
    assert other.take("stream/0")


def test_one_that_is_closed_lets_go_of_all_and_leaves_nothing(tmp_path: Path) -> None:
    mine, other = Claims(tmp_path, "run"), Claims(tmp_path, "run")
    for number in range(3):
        mine.take(f"stream/{number}")
    mine.close()
    assert list(tmp_path.iterdir()) == []
    assert other.take("stream/0")
    other.close()


def test_whoever_has_a_claim_may_take_it_again(tmp_path: Path) -> None:
    mine = Claims(tmp_path, "run")
    assert mine.take("stream/0") == mine.take("stream/0")


def left_by_the_dead(folder: Path, run_id: str, deaths: int = 0) -> Path:
    """A claim of a process of this machine that has ended."""
    path = folder / "stream" / "0"
    path.parent.mkdir(parents=True, exist_ok=True)
    claim = Claim(socket.gethostname(), ended(), run_id, "ten texts", deaths)
    path.write_text(json.dumps(vars(claim)), encoding="utf-8")
    return path


@pytest.mark.parametrize(("run_id", "deaths"), [("run", 1), ("another run", 0)])
def test_the_claim_of_a_dead_process_is_taken_over_and_its_death_counts_in_its_run(
    tmp_path: Path, run_id: str, deaths: int
) -> None:
    path = left_by_the_dead(tmp_path, run_id)
    mine = Claims(tmp_path, "run")
    assert mine.deaths("stream/0") == deaths
    assert [claim.about for claim in mine.lost()] == ["ten texts"] * deaths
    assert mine.take("stream/0")
    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["process"], content["deaths"]) == (os.getpid(), deaths)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell")
def test_a_process_that_nobody_has_asked_after_is_dead_all_the_same(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        claim = Claim(socket.gethostname(), process.pid, "run")
        deadline = time.monotonic() + 30
        while not claim.holder_is_gone() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert claim.holder_is_gone() and process.returncode is None
    assert not Claim(socket.gethostname(), os.getpid(), "run").holder_is_gone()


def test_deaths_add_up(tmp_path: Path) -> None:
    left_by_the_dead(tmp_path, "run", deaths=1)
    assert Claims(tmp_path, "run").deaths("stream/0") == 2


@pytest.mark.parametrize(("age", "is_taken"), [(30, False), (90, True)])
def test_a_claim_of_another_machine_is_nobodys_when_it_is_not_renewed(tmp_path: Path, age: int, is_taken: bool) -> None:
    path = tmp_path / "stream" / "0"
    path.parent.mkdir()
    path.write_text(json.dumps(vars(Claim("elsewhere", 1, "run"))), encoding="utf-8")
    os.utime(path, (time.time() - age, time.time() - age))
    assert bool(Claims(tmp_path, "run").take("stream/0")) is is_taken


def test_a_claim_that_is_held_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RENEWED", 0.02)
    mine = Claims(tmp_path, "run")
    taken = mine.take("stream/0")
    assert taken
    os.utime(taken.path, (0, 0))
    deadline = time.monotonic() + 10
    while taken.path.stat().st_mtime == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert time.time() - taken.path.stat().st_mtime < 60
    mine.close()


def test_a_claim_that_is_being_written_is_somebodys(tmp_path: Path) -> None:
    (tmp_path / "stream").mkdir()
    (tmp_path / "stream" / "0").touch()
    assert Claims(tmp_path, "run").take("stream/0") is None


def test_where_nothing_can_be_written_nobody_else_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    mine, other = (Claims(tmp_path / "file", "run") for _ in range(2))
    assert mine.take("stream/0") and other.take("stream/0")


def _take_all(folder: Path, count: int) -> list[int]:
    claims = Claims(folder, "run")
    return [number for number in range(count) if claims.take(f"stream/{number}")]


def test_of_processes_that_ask_at_the_same_time_one_gets_it(tmp_path: Path) -> None:
    # The processes stay until all have asked, so that no claim is lost by a death.
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        taken = pool.starmap(_take_all, [(tmp_path, 200)] * 3, chunksize=1)
    assert sorted(number for each in taken for number in each) == list(range(200))


def test_what_runs_left_that_were_killed_is_removed_in_time(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "0").touch()
    for path in (old / "0", old):
        os.utime(path, (0, 0))
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    sweep(tmp_path / "nowhere")
