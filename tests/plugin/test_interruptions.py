"""A run that is stopped, killed, or has no room: what is done is kept, and nothing half-done is ever read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_mieb.embedding.shared import SHARD
from tests.plugin.running import Toys, assert_no_traceback, environment, summary
from tests.plugin.toy import TASKS

PATIENCE = 120.0


@contextmanager
def running(here: Toys, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A run of `stuck` that hangs in its second batch of pictures."""
    command = [sys.executable, "-m", "pytest", "--mieb-model=toymodels:stuck", *here.options, *arguments]
    with subprocess.Popen(
        command,
        cwd=here.folder,
        env=environment() | {"TMPDIR": str(here.folder)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            until(lambda: (here.folder / "stuck").exists() or process.poll() is not None)
            assert process.poll() is None
            yield process
        finally:
            process.kill()


def until(done: object) -> None:
    assert callable(done)
    started = time.monotonic()
    while not done():
        assert time.monotonic() - started < PATIENCE
        time.sleep(0.05)


def shards(cache: Path) -> list[Path]:
    return sorted((cache / "embeddings").rglob(f"*{SHARD}"))


def left_over(folder: Path) -> list[str]:
    return [
        path.name for path in folder.rglob("*") if path.suffix == ".tmp" or path.name.startswith("pytest-mieb-run-")
    ]


def alone(toys: Toys, folder: Path) -> Toys:
    from dataclasses import replace

    return replace(toys.at(folder), cache=folder / "cache")


def test_sigterm_ends_a_run_as_ctrl_c_does(toys: Toys, tmp_path: Path) -> None:
    here = alone(toys, tmp_path)
    with running(here, "--mieb-baseline=none", "--mieb-batch-size=16") as process:
        before = len(shards(here.cache))
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "did not run" in said and "next: pytest" in said
    assert len(shards(here.cache)) == before + 1  # the first batch of pictures
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "with workers"])
def test_after_sigkill_the_next_run_goes_on(toys: Toys, tmp_path: Path, workers: Sequence[str]) -> None:
    here = alone(toys, tmp_path)
    with running(here, "--mieb-baseline=none", *workers) as process:
        children = _children(process.pid)
        process.kill()
        process.communicate(timeout=PATIENCE)
        until(lambda: not any(map(_alive, children)))  # a controller that dies takes its workers along
    assert len(children) >= len(workers)
    result = here.run("sound", "--mieb-baseline=none")
    result.assert_outcomes(passed=len(TASKS), deselected=130)
    assert left_over(tmp_path) == []


def _children(process: int) -> list[int]:
    return [
        int(child) for file in Path(f"/proc/{process}/task").glob("*/children") for child in file.read_text().split()
    ]


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_where_results_cannot_be_written_the_run_goes_on_and_judges(
    recorded: tuple[Toys, pytest.RunResult], toys: Toys, tmp_path: Path
) -> None:
    here = toys.at(tmp_path)
    (tmp_path / "mieb-results").mkdir()
    (tmp_path / "mieb-results" / "toymodels__sound").write_text("in the way")
    result = here.run("sound", f"--mieb-baseline={recorded[0].baseline}")
    result.assert_outcomes(passed=len(TASKS) + 1, warnings=1, deselected=130)
    assert any("results cannot be written in" in line and "--mieb-results" in line for line in result.outlines)
    assert any("the verdict cannot be written in" in line for line in summary(result))
    assert_no_traceback(summary(result))


def test_where_embeddings_cannot_be_stored_the_run_goes_on(toys: Toys, tmp_path: Path) -> None:
    here = alone(toys, tmp_path)
    here.cache.mkdir()
    (here.cache / "embeddings").write_text("in the way")
    result = here.run("sound", "--mieb-baseline=none")
    result.assert_outcomes(passed=len(TASKS), warnings=1, deselected=130)
    assert any("embeddings cannot be stored in" in line and "the run goes on" in line for line in result.outlines)


def test_the_next_run_of_changed_weights_under_one_fingerprint_says_so(toys: Toys, tmp_path: Path) -> None:
    here = alone(toys, tmp_path)
    (tmp_path / "mine.py").write_text(
        "import toymodels\n\nfrom pytest_mieb import FunctionEmbedder\n\n\ndef model():\n"
        "    return FunctionEmbedder(toymodels.thumbnails, toymodels.paint, fingerprint='v1')\n"
    )
    first = here.run("sound", "--mieb-model=mine:model", "--mieb-baseline=none")
    source = (tmp_path / "mine.py").read_text()
    (tmp_path / "mine.py").write_text(
        source.replace("toymodels.thumbnails", "lambda images: toymodels.thumbnails(images, (2, 1, 0))")
    )
    os.utime(tmp_path / "mine.py", (1, 1))  # or Python may take its bytecode for that of the new source
    second = here.run("sound", "--mieb-model=mine:model", "--mieb-baseline=none")
    for result, warnings in ((first, 0), (second, 1)):
        result.assert_outcomes(passed=len(TASKS), warnings=warnings, deselected=130)
        (work,) = (line for line in summary(result) if " items were embedded, " in line)
        assert int(work.split()[0]) > 100
    assert any("stored under the fingerprint v1" in line for line in second.outlines)
