"""The decision on two stored measurements."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest

from pytest_mieb.gate.decision import decide
from pytest_mieb.gate.policy import Policy
from pytest_mieb.gate.statistics.significance import compare
from pytest_mieb.gate.stored import Stored, StoredDecision, decide_stored, open_stored, select
from pytest_mieb.measurement.baseline import Acceptance, Baseline, BaselineError, Measurement
from pytest_mieb.measurement.context import Context
from pytest_mieb.suite import CATEGORIES, SUITES
from pytest_mieb.suite.cards import load_tasks
from tests.stored_runs import a_run, a_verdict, hits

TASKS = load_tasks()
A, B, C = "CIFAR10ZeroShot", "DTDZeroShot", "Winoground"
SUBSETS = {"en": 0.8, "de": 0.5}
POLICY = Policy()


def decided(tmp_path: Path, expression: str | None = None, policy: Policy = POLICY) -> StoredDecision:
    old, new = (open_stored(str(tmp_path / name), tmp_path / "baselines", TASKS) for name in ("old", "new"))
    return decide_stored(old, new, TASKS, policy, expression)


def stored(name: str, kind: Literal["results", "recorded", "published"] = "recorded", **facts: Any) -> Stored:
    return Stored(name, kind, Path(), Baseline(name, "hub", **facts))


def test_the_decision_is_that_of_a_run(tmp_path: Path) -> None:
    a_run(tmp_path / "old", {A: 0.9, B: 0.7, C: 0.5})
    a_run(tmp_path / "new", {A: 0.8, B: 0.7, C: 0.55})
    outcome = decided(tmp_path)
    for name, (before, now) in {A: (0.9, 0.8), B: (0.7, 0.7), C: (0.5, 0.55)}.items():
        expected = compare("mean", {"default": hits(before)}, {"default": hits(now)})
        comparison = outcome.comparisons[name]
        assert comparison.paired
        assert comparison.difference.p_drop == expected.p_drop
        assert comparison.difference.drop == pytest.approx(before - now, abs=1e-7)
    verdicts = {name: verdict.status for name, verdict in outcome.decision.verdicts.items()}
    assert verdicts == {A: "regressed", B: "passed", C: "improved"}
    assert outcome.decision == decide(outcome.comparisons, {}, [A, B, C], TASKS, POLICY)
    assert outcome.decision.state == "regressed"
    assert [mean.name for mean in outcome.decision.means] == ["zero_shot_classification"]


def test_a_measurement_passes_beside_itself(tmp_path: Path) -> None:
    a_run(tmp_path / "old", {A: 0.9, "WITT2IRetrieval": dict.fromkeys(TASKS["WITT2IRetrieval"].subsets, 0.5)})
    same = open_stored(str(tmp_path / "old"), tmp_path, TASKS)
    outcome = decide_stored(same, same, TASKS, POLICY)
    assert outcome.decision.state == "passed"
    assert {len(verdict.subsets) for verdict in outcome.decision.verdicts.values()} == {0, 11}


@pytest.mark.parametrize(
    ("expression", "count"),
    [
        (None, 3),
        ("lite", 51),
        ("clustering", 5),
        ("eng", 125),
        (f"{C}, {A}", 2),
        (f"clustering,{A},CIFAR10Clustering,", 6),
    ],
)
def test_what_is_selected_stands_in_the_order_of_the_suite(tmp_path: Path, expression: str | None, count: int) -> None:
    new = open_stored(str(a_run(tmp_path / "new", {C: 0.5, B: 0.7, A: 0.8})), tmp_path, TASKS)
    selected = select(expression, new, TASKS)
    assert len(selected) == count
    assert selected == [name for name in TASKS if name in selected]


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("lit", "--select=lit: no suite, category or task of that name; near are lite"),
        (f"{A},CIFAR10ZeroShoot", "--select=CIFAR10ZeroShoot: .*near are CIFAR10ZeroShot"),
        ("???", f"near are {', '.join([*SUITES, *CATEGORIES])}"),
        (" , ", "--select is empty"),
    ],
)
def test_a_selection_of_nothing_is_refused(expression: str, sentence: str) -> None:
    with pytest.raises(BaselineError, match=sentence.replace("?", r"\?")):
        select(expression, stored("new"), TASKS)


def test_a_task_that_a_side_lacks_makes_the_verdict_incomplete(tmp_path: Path) -> None:
    a_run(tmp_path / "old", {A: 0.9, B: 0.7})
    a_run(tmp_path / "new", {A: 0.9, C: 0.5})
    outcome = decided(tmp_path, f"{A},{B},{C},CIFAR10")
    assert outcome.decision.state == "incomplete"
    assert outcome.decision.incomplete == {
        "CIFAR10": "neither side has a score of it",
        B: f"{tmp_path / 'new'} has no score of it",
        C: f"no baseline: {tmp_path / 'old'} has no score of it",
    }
    assert list(outcome.comparisons) == [A]


def test_what_only_the_old_side_has_is_named_where_it_was_not_asked_for(tmp_path: Path) -> None:
    a_run(tmp_path / "old", {A: 0.9, B: 0.7})
    a_run(tmp_path / "new", {A: 0.9})
    outcome = decided(tmp_path)
    assert (outcome.selected, outcome.left_out, outcome.decision.state) == ((A,), (B,), "passed")
    assert decided(tmp_path, B + "," + A).left_out == ()


def test_what_the_run_itself_did_not_finish_is_missing(tmp_path: Path) -> None:
    """Its own verdict says so; a task of it that has a result since is there."""
    a_run(tmp_path / "old", {A: 0.9, B: 0.7})
    a_verdict(a_run(tmp_path / "new", {A: 0.9}), {A: "did not run", B: "the worker crashed"})
    outcome = decided(tmp_path)
    assert outcome.new.unfinished == {B: "the worker crashed"}
    assert outcome.selected == (A, B)
    assert outcome.decision.incomplete == {B: "the worker crashed"}
    assert outcome.decision.state == "incomplete"


@pytest.mark.parametrize("text", ["[]", "{}", '{"incomplete": [1]}'])
def test_a_verdict_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    (a_run(tmp_path / "new", {A: 0.9}) / "verdict.json").write_text(text)
    with pytest.raises(BaselineError, match=r"verdict\.json is not the verdict on a run"):
        open_stored(str(tmp_path / "new"), tmp_path, TASKS)


def test_other_examples_have_no_verdict(tmp_path: Path) -> None:
    a_run(tmp_path / "old", {A: 0.9})
    a_run(tmp_path / "new", {A: 0.9}, examples="other")
    (reason,) = decided(tmp_path).decision.incomplete.values()
    assert reason.startswith("the examples differ from the baseline's")


def test_a_part_has_no_verdict_against_the_whole(tmp_path: Path) -> None:
    part = "30 of 40 rows"
    a_run(tmp_path / "old", {A: 0.9})
    a_run(tmp_path / "new", {A: 0.9}, part=part)
    reason = decided(tmp_path).decision.incomplete[A]
    assert reason.startswith(
        f"the score was measured on 30 of 40 rows of {TASKS[A].dataset.path}, the baseline's on the"
    )
    a_run(tmp_path / "old", {A: 0.9}, part=part)
    assert decided(tmp_path).decision.state == "passed"


def test_a_part_has_no_verdict_against_published_scores(tmp_path: Path) -> None:
    new = open_stored(str(a_run(tmp_path / "new", {A: 0.9}, part="30 of 40 rows", data="hub")), tmp_path, TASKS)
    old = open_stored("openai/clip-vit-base-patch32", tmp_path, TASKS)
    assert "the baseline's on the whole" in decide_stored(old, new, TASKS, Policy()).decision.incomplete[A]


def test_damaged_outcomes_have_no_verdict(tmp_path: Path) -> None:
    a_run(tmp_path / "old", {A: 0.9})
    (a_run(tmp_path / "new", {A: 0.1}) / f"{A}.npz").write_bytes(b"no archive")
    assert list(decided(tmp_path).decision.incomplete) == [A]


@pytest.mark.parametrize("side", ["old", "new"])
def test_a_score_that_its_outcomes_contradict_has_no_verdict(tmp_path: Path, side: str) -> None:
    """Scores of the old side that are too low, and of the new one that are too high, would open the gate."""
    a_run(tmp_path / "old", {A: 0.9})
    a_run(tmp_path / "new", {A: 0.5})
    a_run(tmp_path / side, {A: 0.9 if side == "old" else 0.5}, score=0.5 if side == "old" else 0.9)
    outcome = decided(tmp_path)
    assert outcome.decision.state == "incomplete"
    (reason,) = outcome.decision.incomplete.values()
    stored_as, made_up = (50, 90) if side == "old" else (90, 50)
    assert reason.startswith(f"scored {stored_as}.00, while its outcomes make up {made_up}.00 ({tmp_path / side})")


def test_another_context_is_a_warning_or_with_strict_context_no_verdict(tmp_path: Path) -> None:
    a_run(tmp_path / "old", {A: 0.9})
    a_run(tmp_path / "new", {A: 0.9}, context=Context("f2f2", device="H100", dtype="float32", batch_size=64))
    assert decided(tmp_path).comparisons[A].warnings == ("the device is H100, the baseline's was cpu",)
    assert decided(tmp_path, policy=Policy(strict_context=True)).decision.state == "incomplete"


@pytest.mark.parametrize(
    ("old", "new", "expression", "sentence"),
    [
        ({}, {"data": "hub"}, None, "old was measured on miniature data, .*new on hub data"),
        ({}, {}, "clustering", "neither .*old nor .*new has any of the selected tasks"),
    ],
)
def test_sides_that_do_not_go_together_are_refused(
    tmp_path: Path, old: dict[str, str], new: dict[str, str], expression: str | None, sentence: str
) -> None:
    a_run(tmp_path / "old", {A: 0.9}, **old)
    a_run(tmp_path / "new", {A: 0.9}, **new)
    with pytest.raises(BaselineError, match=sentence):
        decided(tmp_path, expression)


def test_results_of_two_models_in_one_folder_are_refused(tmp_path: Path) -> None:
    a_run(tmp_path / "old", {A: 0.9, B: 0.7})
    a_run(tmp_path / "new", {A: 0.9}, fingerprint="older")
    a_run(tmp_path / "new", {B: 0.7}, fingerprint="newer")
    with pytest.raises(BaselineError, match=rf"2 different models \(hash older: {A}; hash newer: {B}\)"):
        decided(tmp_path)
    assert decided(tmp_path, A).decision.state == "passed"
    a_run(tmp_path / "new", {A: 0.9}, fingerprint="")
    assert decided(tmp_path).decision.state == "passed"


def test_tasks_without_a_card_are_refused_unless_others_are_chosen(tmp_path: Path) -> None:
    a_run(tmp_path / "old", {A: 0.9})
    a_run(tmp_path / "new", {A: 0.9, "Ours": 0.5})
    with pytest.raises(BaselineError, match=r"new has tasks without a card: Ours; .*--tasks"):
        decided(tmp_path)
    assert decided(tmp_path, A).decision.state == "passed"


@pytest.mark.parametrize(
    ("day", "outcome", "state"),
    [
        (date(2027, 3, 1), "accepted", "passed"),
        (date(2027, 3, 2), "regressed", "regressed"),
    ],
)
def test_an_accepted_regression_passes_up_to_its_day(day: date, outcome: str, state: str) -> None:
    accepted = Acceptance(date(2027, 3, 1), "known")
    old = stored("old", tasks={A: Measurement(0.8, 0.01, accepted=accepted), B: Measurement(0.8, 0.01)})
    new = stored("new", tasks={A: Measurement(0.4, 0.01), B: Measurement(0.8, 0.01)})
    found = decide_stored(old, new, TASKS, POLICY, today=day).decision
    assert (found.verdicts[A].status, found.means[0].status, found.state) == (outcome, outcome, state)


@pytest.mark.parametrize(("drift_of", "score"), [("old", 0.76), ("new", 0.76), ("old", 0.84), ("new", 0.84)])
def test_drift_of_either_side_explains_a_change(drift_of: str, score: float) -> None:
    drift = {"old": 0.0, "new": 0.0} | {drift_of: 0.05}
    old = stored("old", tasks={A: Measurement(0.8, 0.001, drift=drift["old"])})
    new = stored("new", tasks={A: Measurement(score, 0.001, drift=drift["new"])})
    assert decide_stored(old, new, TASKS, POLICY).decision.verdicts[A].status == "passed"
    exact = stored("old", tasks={A: Measurement(0.8, 0.001)})
    plain = stored("new", tasks={A: Measurement(score, 0.001)})
    changed = "regressed" if score < 0.8 else "improved"
    assert decide_stored(exact, plain, TASKS, POLICY).decision.verdicts[A].status == changed


@pytest.mark.parametrize("side", ["old", "new"])
def test_a_published_score_that_tells_nothing_needs_no_verdict(side: str) -> None:
    tasks = {A: Measurement(0.8, 0.01), B: Measurement(0.8, 0.01)}
    published = stored(side, "published", tasks=tasks, unusable={A: "other corpus"})
    sides = {"old": stored("old", tasks=tasks), "new": stored("new", tasks={**tasks, A: Measurement(0.1)})}
    sides[side] = published
    outcome = decide_stored(sides["old"], sides["new"], TASKS, POLICY)
    assert (outcome.unusable, list(outcome.comparisons)) == ({A: "other corpus"}, [B])
    assert outcome.decision.state == "passed"


def test_names_lead_to_recorded_baselines_before_published_ones(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("model: runs/7\ndata: hub\ntasks: {CIFAR10: {score: 0.5}}\n")
    assert open_stored("mine", tmp_path, TASKS).kind == "recorded"
    published = open_stored("openai/clip-vit-base-patch32", tmp_path, TASKS)
    assert (published.kind, len(published.baseline.tasks)) == ("published", 130)
    with pytest.raises(BaselineError, match=r"^mime is no results folder, .*; did you mean mine\?$"):
        open_stored("mime", tmp_path, TASKS)
    with pytest.raises(BaselineError, match="`pytest-mieb show` lists the baselines"):
        open_stored("?", tmp_path, TASKS)
