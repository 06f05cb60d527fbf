"""What the controller takes from the reports that reach it."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from pytest_mieb.keys import RECORD, TASK
from pytest_mieb.record import TaskRecord
from pytest_mieb.report.run import Run
from tests.builders import a_task

TASKS = {name: a_task(name=name) for name in ("A", "B", "C")}
RECORD_OF_A = TaskRecord("A", "nmi", 0.5, {"default": 0.5}, {"default": 4}, 1, 2, 0.5)


def a_run() -> Run:
    return Run(args=[], tasks=TASKS, baseline=None)


def report(
    nodeid: str,
    outcome: Literal["passed", "failed", "skipped"],
    when: Any = "call",
    longrepr: Any = None,
    **properties: str,
) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid, ("x.py", 1, "x"), {}, outcome, longrepr, when, user_properties=list(properties.items())
    )


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_a_score_is_kept_whether_the_gate_passed_or_not(outcome: Any) -> None:
    run = a_run()
    run.note(report("x.py::test[A]", outcome, **{TASK: "A", RECORD: RECORD_OF_A.to_json()}))
    assert run.records == {"A": RECORD_OF_A}
    assert (run.errors, run.skipped) == ({}, {})


def test_a_skip_is_kept_with_its_reason() -> None:
    run = a_run()
    run.note(report("x.py::test[B]", "skipped", "setup", ("x.py", 3, "Skipped: it embeds no text"), **{TASK: "B"}))
    assert run.skipped == {"B": "it embeds no text"}


def test_a_failure_before_the_score_is_an_error() -> None:
    run = a_run()
    run.note(report("x.py::test[B]", "failed", "setup", "dataset org/b is gated\n", **{TASK: "B"}))
    assert run.errors == {"B": "dataset org/b is gated"}


def test_a_worker_that_died_is_told_by_the_id_of_its_item() -> None:
    run = a_run()
    run.note(report("tasks/test_mieb.py::test_mieb[C]", "failed", "???", "worker 'gw0' crashed"))
    assert run.errors == {"C": "worker 'gw0' crashed"}


@pytest.mark.parametrize("nodeid", ["x.py::test_other", "x.py::test[D]"])
def test_other_tests_are_none_of_its_business(nodeid: str) -> None:
    run = a_run()
    run.note(report(nodeid, "failed", "setup", "broken"))
    assert (run.records, run.errors, run.skipped) == ({}, {}, {})


def test_what_was_selected_and_never_reported_did_not_run() -> None:
    run = a_run()
    run.selected = {"C", "B", "A"}
    run.note(report("x.py::test[A]", "passed", **{TASK: "A", RECORD: RECORD_OF_A.to_json()}))
    assert run.not_run == ["B", "C"]


def test_verdicts_come_in_the_order_of_the_suite() -> None:
    run = a_run()
    run.records = {name: TaskRecord(name, "nmi", 0.5, {}, {}, 0, 0, 0) for name in ("C", "A")}
    assert list(run.verdicts) == ["A", "C"]
