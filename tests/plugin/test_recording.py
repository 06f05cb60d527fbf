"""What a run records: scores, and beside them the outcomes that the next run is compared with one by one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_mieb.plugin import INCOMPLETE
from tests.plugin.running import SOUND, Toys, assert_no_traceback, assert_refused, summary
from tests.plugin.toy import TASKS

Ran = tuple[Toys, pytest.RunResult]


def stored(here: Toys) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The tasks of the baseline, and its files of outcomes."""
    tasks = yaml.safe_load(here.baseline.read_text(encoding="utf-8"))["tasks"]
    return tasks, {file.stem: file.read_bytes() for file in here.baseline.with_suffix("").iterdir()}


def test_the_outcomes_lie_beside_the_baseline_and_are_those_of_the_run(recorded: Ran) -> None:
    here, _ = recorded
    tasks, outcomes = stored(here)
    results = here.folder / "mieb-results" / SOUND
    assert outcomes == {name: (results / f"{name}.npz").read_bytes() for name in TASKS}
    assert all(len(task["outcomes"]) == len(task["examples"]) == 16 for task in tasks.values())
    assert not (results / "verdict.json").exists()  # there is nothing to compare with yet


def test_recording_in_part_on_workers_leaves_the_other_tasks_alone_and_says_what_changed(apart: Toys) -> None:
    text = apart.baseline.read_text(encoding="utf-8")
    apart.baseline.write_text(text.replace("ToyZeroShot: {", "ToyZeroShot: {tolerance: 0.02, "), encoding="utf-8")
    tasks, outcomes = stored(apart)
    chosen = ("ToyZeroShot", "ToyClustering")
    result = apart.run(
        "swapped_channels", f"--mieb-baseline={SOUND}", "--mieb-update", "-k", " or ".join(chosen), "-n", "2"
    )
    assert result.ret == pytest.ExitCode.OK
    new_tasks, new_outcomes = stored(apart)
    for name in set(TASKS) - set(chosen):
        assert (new_tasks[name], new_outcomes[name]) == (tasks[name], outcomes[name])
    assert new_tasks["ToyZeroShot"]["run"] == new_tasks["ToyClustering"]["run"] != tasks["ToyZeroShot"]["run"]
    zero_shot = new_tasks["ToyZeroShot"]
    assert (zero_shot["score"], zero_shot["tolerance"]) == (0.5, 0.02)
    assert zero_shot["outcomes"] != tasks["ToyZeroShot"]["outcomes"]
    assert new_outcomes["ToyZeroShot"] != outcomes["ToyZeroShot"]
    lines = [line for line in summary(result) if line]
    assert lines[:2] == ["  ToyZeroShot: 100.00 -> 50.00 (-50.00)", f"recorded 2 tasks in {apart.baseline}"]


def removed(file: Path) -> None:
    file.unlink()


def altered(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def of_another_task(file: Path) -> None:
    file.write_bytes(file.with_stem("ToyPairs").read_bytes())


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (removed, "ToyChoice: the outcomes of the baseline are missing ({file})"),
        (altered, "ToyChoice: {file} does not hold the outcomes that belong to the baseline's score"),
        (of_another_task, "ToyChoice: {file} does not hold the outcomes that belong to the baseline's score"),
    ],
)
def test_outcomes_that_are_not_those_of_the_baseline_are_an_error_that_names_the_file(
    apart: Toys, damage: Any, sentence: str
) -> None:
    file = apart.baseline.with_suffix("") / "ToyChoice.npz"
    damage(file)
    result = apart.run("sound", "-k", "ToyChoice or ToyPairs")
    assert result.ret == INCOMPLETE
    result.assert_outcomes(passed=1, errors=1, deselected=136)
    said = sentence.format(file=file) + "; restore the file, or record the task anew with --mieb-update -k ToyChoice"
    assert said in result.outlines
    assert apart.verdict()["incomplete"] == {"ToyChoice": said}


def test_a_score_that_its_outcomes_contradict_is_an_error_and_opens_no_gate(apart: Toys) -> None:
    text = apart.baseline.read_text(encoding="utf-8")
    apart.baseline.write_text(text.replace("ToyZeroShot: {score: 1.0,", "ToyZeroShot: {score: 0.01,"), encoding="utf-8")
    result = apart.run("swapped_channels", f"--mieb-baseline={SOUND}", "-k", "ToyZeroShot")
    assert result.ret == INCOMPLETE
    result.assert_outcomes(errors=1, deselected=137)
    said = "ToyZeroShot: scored 1.00, while its outcomes make up 100.00 ("
    assert any(line.startswith(said) for line in result.outlines)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (("\ntasks:\n", "\ntasks:\n  ToyZeroShot: {score: 0.01}\n"), "tasks.ToyZeroShot stands there twice, first in"),
        (("\ntasks:\n", "\n<<<<<<< HEAD\ntasks:\n"), "'<<<<<<< HEAD' was left by a merge in git"),
        (("ToyZeroShot: {score: 1.0,", "ToyZeroShot: {score: -0.5,"), "tasks.ToyZeroShot.score: -0.5 is no accuracy"),
    ],
)
def test_a_baseline_that_an_edit_or_a_merge_broke_is_one_usage_error(
    apart: Toys, edit: tuple[str, str], sentence: str
) -> None:
    text = apart.baseline.read_text(encoding="utf-8")
    assert edit[0] in text
    apart.baseline.write_text(text.replace(*edit), encoding="utf-8")
    assert_refused(apart.run("sound"), str(apart.baseline), sentence)


def test_a_run_that_scores_nothing_records_nothing(apart: Toys) -> None:
    before = apart.baseline.read_text(encoding="utf-8")
    result = apart.run("vision_only", f"--mieb-baseline={SOUND}", "--mieb-update", "-k", "ToyChoice")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(skipped=1, deselected=137)
    assert apart.baseline.read_text(encoding="utf-8") == before


def test_scores_that_cannot_be_recorded_fail_the_run_and_leave_the_baseline(apart: Toys) -> None:
    """The folder of the outcomes is a file."""
    before = apart.baseline.read_bytes()
    shutil.rmtree(apart.baseline.with_suffix(""))
    apart.baseline.with_suffix("").touch()
    result = apart.run("sound", "--mieb-update", "-k", "ToyChoice", "--junitxml=junit.xml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, failed=1, deselected=137)
    (said,) = (line for line in result.outlines if line.startswith("nothing was recorded: "))
    assert str(apart.baseline.with_suffix("")) in said
    assert f"the results are in {apart.folder / 'mieb-results' / SOUND}" in result.outlines
    assert apart.junit()["mieb::recording"] == "failure"
    assert any(" items were embedded, " in line for line in summary(result))
    assert_no_traceback([line for line in result.outlines if "test_mieb.py" not in line])
    assert apart.baseline.read_bytes() == before
