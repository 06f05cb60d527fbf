"""Spread over workers, a run gives what it gives in one process."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.plugin.running import Toys, assert_refused, summary
from tests.plugin.toy import MEAN, OF_COLOURS, TASKS

Ran = tuple[Toys, pytest.RunResult]
# How the lines on the time of a run begin.
TIME = "the tasks took ", "the slowest tasks: "


@pytest.fixture(scope="module")
def spread(toys: Toys, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The sound model recorded on two workers, with a store of its own."""
    here = toys.at(tmp_path_factory.mktemp("spread"))
    return here, here.run("sound", "--mieb-update", "-n", "2", "-v", f"--mieb-cache={here.folder / 'cache'}")


def without_work(content: Mapping[str, Any]) -> dict[str, Any]:
    """Without how long it took, and which of two tasks with an input in common was the first to embed it."""
    return {key: value for key, value in content.items() if key not in ("seconds", "work")}


def test_the_result_files_are_the_same_to_the_last_bit(recorded: Ran, spread: Ran) -> None:
    alone, shared = recorded[0].results(), spread[0].results()
    assert {name: without_work(content) for name, content in shared.contents.items()} == {
        name: without_work(content) for name, content in alone.contents.items()
    }
    assert set(shared.arrays) == set(TASKS)
    for name, arrays in alone.arrays.items():
        assert set(shared.arrays[name]) == set(arrays)
        for key, array in arrays.items():
            np.testing.assert_array_equal(shared.arrays[name][key], array, strict=True)


def test_the_baseline_is_the_same_and_written_once_by_the_controller(recorded: Ran, spread: Ran) -> None:
    here, result = spread
    assert result.ret == pytest.ExitCode.OK
    assert here.baseline.read_text(encoding="utf-8") == recorded[0].baseline.read_text(encoding="utf-8")
    assert result.stdout.str().count("recorded 8 tasks in") == 1
    assert {file.name for file in here.baseline.parent.iterdir()} == {here.baseline.name, here.baseline.stem}
    outcomes, alone = here.baseline.with_suffix(""), recorded[0].baseline.with_suffix("")
    assert {file.name for file in outcomes.iterdir()} == {f"{name}.npz" for name in TASKS}
    for file in outcomes.iterdir():
        assert file.read_bytes() == (alone / file.name).read_bytes()


def test_the_summary_is_the_same(recorded: Ran, spread: Ran) -> None:
    """But for the time, and how many items were embedded: two workers that meet one at the same time both embed it."""
    (alone, embedded), (shared, by_two) = (
        _without_work([line.replace(str(here.folder), "") for line in summary(result) if line])
        for here, result in (recorded, spread)
    )
    assert shared == alone
    assert sum(by_two) == sum(embedded) and by_two[0] >= embedded[0]


def _without_work(lines: list[str]) -> tuple[list[str], list[int]]:
    """The lines without those about work and time, and the numbers of the first: embedded, and taken from the store."""
    (work,) = (line for line in lines if " items were embedded, " in line)
    others = [line for line in lines if line != work and not line.startswith(TIME)]
    return others, [int(word) for word in work.split() if word.isdecimal()]


def test_the_tasks_of_one_dataset_run_on_one_worker(spread: Ran) -> None:
    _, result = spread
    lines = [line.split() for line in result.outlines if line.startswith("[gw") and "PASSED" in line]
    worker_of = {line[-1].partition("[")[2].removesuffix("]"): line[0] for line in lines}
    assert set(worker_of) == set(TASKS)
    assert len({worker_of[name] for name in OF_COLOURS}) == 1
    assert len(set(worker_of.values())) == 2


def test_the_verdict_is_the_same_as_in_one_process(damaged: Ran, toys: Toys, tmp_path: Path) -> None:
    here, alone = damaged
    shared = here.run(
        "swapped_channels", "--mieb-baseline=toymodels__sound", f"--mieb-results={tmp_path}", "-n", "2", "-v"
    )
    assert shared.ret == alone.ret == pytest.ExitCode.TESTS_FAILED
    assert shared.parseoutcomes() == {"failed": 8, "passed": 4}
    verdict = json.loads((tmp_path / "toymodels__swapped_channels" / "verdict.json").read_text(encoding="utf-8"))
    assert verdict == here.verdict("swapped_channels")

    def lines(result: pytest.RunResult) -> list[str]:
        """But for the time, for what was embedded or taken over, as this run found it, and for how it was started."""
        return [
            line
            for line in summary(result)
            if line
            and not line.startswith("next")
            and " items were embedded, " not in line
            and " taken over " not in line
            and not line.startswith(TIME)
        ]

    assert lines(shared) == lines(alone)
    failures = [line for line in alone.outlines if " regressed: " in line and not line.startswith(("FAILED", "SUBF"))]
    for line in failures:
        assert line in shared.outlines


def test_the_means_are_shown_as_they_are_in_one_process(damaged: Ran, spread: Ran) -> None:
    _, result = damaged
    assert f"mieb::{MEAN} FAILED" in [" ".join(line.split()[:2]) for line in result.outlines]
    assert max(shares(result)) == max(shares(spread[1])) == 100


def shares(result: pytest.RunResult) -> list[int]:
    """The progress that was shown, in percent."""
    return [int(share) for line in result.outlines for share in re.findall(r"\[ *(\d+)%\]", line)]


def test_a_test_of_ones_own_counts_among_the_comparisons(recorded: Ran, toys: Toys, tmp_path: Path) -> None:
    """The ids of such tests do not tell that they ask for a verdict: the workers do."""
    verdicts = []
    for workers in ([], ["-n", "2"]):
        here = toys.at(tmp_path / "-".join(["own", *workers]))
        shutil.copytree(recorded[0].baseline.parent, here.baseline.parent)
        (here.folder / "test_own.py").write_text("def test_gate(mieb_task, mieb_verdict): ...\n", encoding="utf-8")
        here.run("sound", *workers, "-k", "ToyZeroShot or ToyShades or ToyLanguages", "test_own.py::test_gate")
        verdicts.append(here.verdict())
    assert verdicts[1] == verdicts[0]
    assert verdicts[0]["family"] == {"tasks": 3, "subsets": 3, "means": 1}
    assert set(verdicts[0]["tasks"]) == {"ToyZeroShot", "ToyShades", "ToyLanguages"}


def test_beside_a_named_file_the_suite_runs_on_the_workers_too(recorded: Ran, toys: Toys, tmp_path: Path) -> None:
    here = toys.at(tmp_path)
    shutil.copytree(recorded[0].baseline.parent, here.baseline.parent)
    (here.folder / "test_own.py").write_text("def test_shades(): ...\n", encoding="utf-8")
    result = here.run("sound", "-n", "2", "-k", "ToyShades or test_shades", "-p", "no:cacheprovider", "test_own.py")
    assert (result.ret, result.parseoutcomes()) == (pytest.ExitCode.OK, {"passed": 2})
    assert set(here.verdict()["tasks"]) == {"ToyShades"}


def test_a_gate_that_would_judge_nothing_is_one_usage_error_on_workers_too(toys: Toys, tmp_path: Path) -> None:
    here = toys.at(tmp_path)
    text = "import pathlib\n\ndef test_plain(): pathlib.Path('ran').touch()\n"
    (here.folder / "test_own.py").write_text(text, encoding="utf-8")
    result = here.run("sound", "--mieb-baseline=none", "-k", "test_plain", "-n", "2", "test_own.py::test_plain")
    assert_refused(result, "--mieb-model=toymodels:sound is given, but none of the selected tests asks for a MIEB task")
    assert not (here.folder / "ran").exists()
    assert not summary(result)
