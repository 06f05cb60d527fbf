"""What the controller takes from the reports that reach it."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_mieb.measurement.baseline import Baseline, Measurement
from pytest_mieb.measurement.context import Context
from pytest_mieb.models.description import Description
from pytest_mieb.report.message import Message, Notice
from pytest_mieb.report.run import Run
from tests.builders import a_task
from tests.report.builders import a_comparison, a_record

TASKS = {name: a_task(name=name) for name in ("A", "B", "C")}
BASELINE = Baseline("exp6", "hub", tasks={name: Measurement(0.5) for name in ("A", "B")})
RECORD_OF_A = a_record("A", 0.5)
SUITE = "tasks/test_mieb.py::test_mieb"


def a_run(baseline: Baseline | None = None, **facts: Any) -> Run:
    return Run(args=[], tasks=TASKS, baseline=baseline, **facts)


def notice(nodeid: str, outcome: str, phase: str = "call", said: str = "", message: Message | None = None) -> Notice:
    return Notice(nodeid, phase, outcome, said, message)


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_a_score_is_kept_whether_the_gate_passed_or_not(outcome: Any) -> None:
    run = a_run()
    run.note(notice("x.py::test[A]", outcome, message=Message("A", record=RECORD_OF_A)))
    assert run.records == {"A": RECORD_OF_A}
    assert (run.errors, run.skipped) == ({}, {})


def test_a_comparison_is_kept_and_so_is_what_it_was_made_with() -> None:
    run, comparison = a_run(BASELINE), a_comparison("A", 0.4, 0.5, subsets={})
    context, model = (
        Context("f00d", dtype="float32", canary=("pixels",)),
        Description("clip", "CLIPModel", "f00d", 8, "float32"),
    )
    message = Message("A", True, RECORD_OF_A, comparison, context, model)
    run.note(notice(f"{SUITE}[A]", "failed", message=message))
    assert run.comparisons == {"A": comparison}
    assert (run.context, run.model) == (context, model)
    assert (run.incomplete, run.foreign_failures) == ({}, 0)


def test_the_context_is_that_of_the_first_worker_that_has_one() -> None:
    run = a_run()
    for device in ("cpu", "cuda"):
        run.note(notice(f"{SUITE}[A]", "passed", message=Message("A", context=Context(device=device))))
    assert run.context == Context(device="cpu")


def test_a_skip_is_kept_with_its_reason() -> None:
    run = a_run()
    run.note(notice("x.py::test[B]", "skipped", "setup", "it embeds no text", Message("B", judged=True)))
    assert run.skipped == {"B": "it embeds no text"}


def test_a_failure_before_the_verdict_is_an_error_with_or_without_a_score() -> None:
    run = a_run()
    run.note(notice("x.py::test[B]", "failed", "setup", "dataset org/b is gated", Message("B", judged=True)))
    message = Message("A", judged=True, record=RECORD_OF_A)
    run.note(notice("x.py::test[A]", "failed", "setup", "A: no baseline in exp6", message))
    assert run.errors == {"B": "dataset org/b is gated", "A": "A: no baseline in exp6"}
    assert set(run.records) == {"A"}


@pytest.mark.parametrize("outcome", ["failed", "skipped"])
def test_a_test_of_the_users_own_says_nothing_of_the_verdict_on_its_task(outcome: Any) -> None:
    run = a_run(BASELINE, selected={"A"})
    run.note(notice("x.py::test_own[A]", outcome, "setup", "not today", Message("A")))
    assert (run.errors, run.skipped) == ({}, {})


def test_a_worker_that_died_is_told_by_the_id_of_its_item() -> None:
    run = a_run()
    run.note(notice(f"{SUITE}[C]", "failed", "???", "worker 'gw0' crashed"))
    assert run.errors == {"C": "worker 'gw0' crashed"}


@pytest.mark.parametrize("nodeid", ["x.py::test_other", "x.py::test[D]"])
def test_other_tests_are_none_of_its_business(nodeid: str) -> None:
    run = a_run()
    run.note(notice(nodeid, "failed", "setup", "broken"))
    assert (run.records, run.errors, run.skipped) == ({}, {}, {})


@pytest.mark.parametrize(
    ("nodeid", "outcome", "foreign_failures"),
    [
        ("x.py::test_other", "failed", 1),
        ("x.py::test_own[A]", "failed", 1),  # a test of the user's own on a task
        ("x.py::test_other", "passed", 0),
        (f"{SUITE}[A]", "failed", 0),
        ("mieb::clustering", "failed", 0),
    ],
)
def test_only_failures_of_other_tests_are_counted_beside_the_suites(
    nodeid: str, outcome: Any, foreign_failures: int
) -> None:
    run = a_run()
    run.note(notice(nodeid, outcome, said="broken"))
    assert run.foreign_failures == foreign_failures


def test_what_was_selected_and_never_reported_did_not_run() -> None:
    run = a_run()
    run.selected = {"C", "B", "A"}
    run.note(notice("x.py::test[A]", "passed", message=Message("A", record=RECORD_OF_A)))
    assert run.not_run == ["B", "C"]
    assert run.incomplete == {"B": "did not run", "C": "did not run"}


def test_what_the_model_cannot_do_is_incomplete_only_where_the_baseline_could() -> None:
    run = a_run(BASELINE, selected=set(TASKS), skipped=dict.fromkeys("CB", "no text"), errors={"A": "gated"})
    assert run.incomplete == {"A": "gated", "B": "not applicable now: no text"}
    assert list(run.incomplete) == ["A", "B"]


def test_records_come_in_the_order_of_the_suite() -> None:
    run = a_run()
    run.records = {name: a_record(name, 0.5) for name in ("C", "A")}
    assert [record.task for record in run.ordered] == ["A", "C"]


@pytest.mark.parametrize(
    ("facts", "state", "only_incomplete"),
    [
        ({"records": {"A": RECORD_OF_A}, "comparisons": {"A": a_comparison("A", 0.5, 0.5)}}, "passed", False),
        ({"records": {"A": RECORD_OF_A}, "comparisons": {"A": a_comparison("A", 0.4, 0.5)}}, "regressed", False),
        ({"errors": {"A": "gated"}}, "incomplete", True),
        ({}, "incomplete", True),  # did not run
        ({"errors": {"A": "gated"}, "foreign_failures": 1}, "incomplete", False),
        ({"skipped": {"A": "no text"}}, "incomplete", True),
    ],
    ids=["passed", "regressed", "error", "not run", "error beside another failure", "not applicable now"],
)
def test_the_decision_is_on_the_selected_tasks(facts: dict[str, Any], state: str, only_incomplete: bool) -> None:
    run = a_run(BASELINE, selected={"A"}, **facts)
    decision = run.decide()
    assert decision is not None and decision is run.decision
    assert (decision.state, run.only_incomplete) == (state, only_incomplete)


def test_a_regression_beside_an_error_is_a_regression() -> None:
    run = a_run(BASELINE, selected={"A", "B"}, errors={"B": "gated"}, comparisons={"A": a_comparison("A", 0.4, 0.5)})
    decision = run.decide()
    assert decision is not None and decision.state == "regressed"
    assert not run.only_incomplete


@pytest.mark.parametrize("facts", [{"baseline": None, "selected": {"A"}}, {"baseline": BASELINE, "selected": set()}])
def test_compared_with_nothing_there_is_no_decision(facts: Any) -> None:
    assert a_run(**facts).decide() is None


def test_without_a_baseline_a_run_without_all_scores_is_incomplete() -> None:
    assert a_run(selected={"A"}, errors={"A": "gated"}).only_incomplete
    assert a_run(selected={"A"}).only_incomplete
    assert not a_run(selected={"A"}, skipped={"A": "no text"}).only_incomplete
    assert not a_run(selected={"A"}, records={"A": RECORD_OF_A}).only_incomplete
