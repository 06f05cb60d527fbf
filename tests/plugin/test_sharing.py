"""Processes that have a cache in common embed every item once, whether they are workers or runs of their own."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pytest_mieb.embedding import CLAIMS
from tests.plugin.running import Toys, environment, summary

# One task, with three languages of texts and pictures.
TASK = "ToyLanguages"


@dataclass(frozen=True)
class Log:
    """What a run of `noting` noted: for each item the processes that embedded it."""

    path: Path

    def read(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for line in self.path.read_text(encoding="utf-8").splitlines():
            process, item = line.split()
            found.setdefault(item, []).append(process)
        return found

    def beside(self, probes: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """But for what every process embeds to look at the model."""
        return {item: processes for item, processes in self.read().items() if item not in probes}


def options(here: Toys, log: Path) -> list[str]:
    """A chunk has sixteen batches at least: with batches of one picture these few are several."""
    return [f"--mieb-model-arg=log={log}", "--mieb-baseline=none", "--mieb-batch-size=1", "-k", TASK]


@pytest.fixture
def here(toys: Toys, tmp_path: Path) -> Toys:
    return replace(toys.at(tmp_path), cache=tmp_path / "cache")


def probes(here: Toys) -> Mapping[str, list[str]]:
    """What a run embeds that finds everything in the store."""
    log = here.folder / "probes"
    assert here.run("noting", *options(here, log), "--mieb-fresh", "-k", TASK).ret == 0
    log.unlink()
    result = here.run("noting", *options(here, log))
    assert " taken over " in result.stdout.str(), result.stdout.str()
    return Log(log).read()


def work(result: pytest.RunResult) -> tuple[int, int]:
    """How many items were embedded, and how many taken from the store, as the summary says."""
    (line,) = (line for line in summary(result) if " items were embedded, " in line)
    embedded, reused = [int(word.replace(",", "")) for word in line.split() if word[0].isdigit()][:2]
    return embedded, reused


def test_a_worker_without_a_task_embeds_for_the_other(here: Toys) -> None:
    log = Log(here.folder / "log")
    result = here.run("noting", *options(here, log.path), "-n", "2")
    result.assert_outcomes(passed=1)
    found = log.beside(probes(replace(here, cache=here.folder / "other cache")))
    assert all(len(processes) == 1 for processes in found.values())
    by_process = Counter(process for (process,) in found.values())
    assert len(by_process) == 2 and min(by_process.values()) >= 16
    assert work(result) == (len(found), 0)
    assert list((here.cache / CLAIMS).glob("*/*")) == []


def test_two_runs_at_once_share_the_work_and_both_have_the_score(here: Toys) -> None:
    log = Log(here.folder / "log")
    runs = []
    for name in ("one", "two"):
        command = [sys.executable, "-m", "pytest", "--mieb-model=toymodels:noting", *here.options]
        command += [*options(here, log.path), f"--mieb-results={here.folder / name}"]
        runs.append(subprocess.Popen(command, cwd=here.folder, env=environment(), stdout=subprocess.PIPE, text=True))
    said = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    found = log.beside(probes(replace(here, cache=here.folder / "other cache")))
    assert all(len(processes) == 1 for processes in found.values())
    files = [here.folder / name / "toymodels__noting" / f"{TASK}.npz" for name in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()
