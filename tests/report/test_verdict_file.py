"""`verdict.json`: the whole decision, for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from pytest_mieb.gate.comparison import Comparison
from pytest_mieb.gate.decision import EXIT_CODES, Decision, decide
from pytest_mieb.gate.policy import Policy
from pytest_mieb.measurement.baseline import Acceptance, Baseline, Measurement
from pytest_mieb.report.run import Run
from pytest_mieb.report.verdict_file import content
from pytest_mieb.report.view import of_run
from tests.builders import a_task
from tests.report.builders import a_comparison, a_pair

TASKS = {
    "A": a_task(name="A", suites=()),
    "B": a_task(name="B", suites=()),
    "C": a_task(name="C", category="retrieval", suites=(), subsets={"en": ("eng-Latn",), "no": ("nob-Latn",)}),
    "D": a_task(name="D", category="retrieval", suites=()),
}
BASELINE = Baseline("exp6", "hub", date="2026-01-31", tasks=dict.fromkeys(TASKS, Measurement(0.5)))
POLICY = Policy(named={"A": 0.02})


def content_of(decision: Decision, comparisons: Mapping[str, Comparison], policy: Policy) -> dict[str, Any]:
    selected = {*comparisons, *decision.incomplete}
    return content(
        of_run(Run([], TASKS, BASELINE, policy, comparisons={**comparisons}, selected=selected, decision=decision))
    )


def a_verdict(*, incomplete: bool = True, lost: bool = True) -> dict[str, Any]:
    """Of a run in which A dropped, C lost Norwegian, and D has no score."""
    comparisons = {
        "A": a_comparison("A", 0.4 if lost else 0.5, 0.5, tolerance=0.02, preprocessing="size 224 -> 336"),
        "B": a_comparison(
            "B", 0.6, 0.5, paired=False, drift=0.01, warnings=("the device is cpu, the baseline's was mps",)
        ),
        "C": a_comparison("C", 0.5, 0.5, subsets={"en": a_pair(0.6, 0.5), "no": a_pair(0.4 if lost else 0.5, 0.5)}),
    }
    missing = {"D": "gated"} if incomplete else {}
    selected = set(TASKS) if incomplete else set(comparisons)
    decision = decide(comparisons, missing, selected, TASKS, POLICY)
    written: dict[str, Any] = json.loads(json.dumps(content_of(decision, comparisons, POLICY), allow_nan=False))
    return written


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"incomplete": False, "lost": False}, "passed"),
        ({"incomplete": False, "lost": True}, "regressed"),
        ({"incomplete": True, "lost": False}, "incomplete"),
        ({"incomplete": True, "lost": True}, "regressed"),
    ],
)
def test_the_state_goes_with_the_exit_code(facts: Any, state: str) -> None:
    verdict = a_verdict(**facts)
    assert (verdict["state"], verdict["exit_code"]) == (state, EXIT_CODES[state])  # type: ignore[index]


def test_it_says_what_was_compared_by_which_rules() -> None:
    verdict = a_verdict()
    assert verdict["format"] == 3
    assert verdict["baseline"] == {"model": "exp6", "date": "2026-01-31", "indicative": False}
    assert verdict["policy"] == {
        "kind": "significance",
        "alpha": 0.05,
        "tolerance": 0.005,
        "named": {"A": 0.02},
        "strict_context": False,
    }
    assert verdict["family"] == {"tasks": 4, "subsets": 2, "means": 2}


def test_a_task_has_its_numbers_and_what_they_rest_on() -> None:
    tasks = a_verdict()["tasks"]
    assert list(tasks) == ["A", "B", "C"]
    detectable = tasks["A"].pop("detectable")
    assert 0.02 < detectable < 0.2
    assert tasks["A"] == {
        "status": "regressed",
        "score": 0.4,
        "baseline": 0.5,
        "drop": pytest.approx(0.1),
        "standard_error": 0.01,
        "interval": pytest.approx([0.1 - 1.959964 * 0.01, 0.1 + 1.959964 * 0.01]),
        "p_drop": 1e-9,
        "p_gain": 1 - 1e-9,
        "examples": 100,
        "fits": 0,
        "tolerance": 0.02,
        "paired": True,
        "drift": 0.0,
        "preprocessing": "size 224 -> 336",
        "warnings": [],
        "accepted": None,
        "languages": [],
        "subsets": {},
    }
    assert tasks["B"]["interval"] == pytest.approx([-0.1 - 0.0196, -0.1 + 0.0196], abs=1e-5)  # a gain
    assert tasks["C"]["interval"] is None  # no outcome changed
    assert len(tasks["C"]["subsets"]["no"]["interval"]) == len(a_verdict()["means"]["clustering"]["interval"]) == 2
    assert (tasks["B"]["status"], tasks["B"]["paired"], tasks["B"]["drift"]) == ("improved", False, 0.01)
    assert tasks["B"]["warnings"] == ["the device is cpu, the baseline's was mps"]
    subsets = {name: each["status"] for name, each in tasks["C"]["subsets"].items()}
    assert tasks["C"]["languages"] == [{"language": "no"} | tasks["C"]["subsets"]["no"]]
    assert (tasks["C"]["languages"][0]["score"], tasks["C"]["languages"][0]["baseline"]) == (0.4, 0.5)
    assert (tasks["C"]["status"], subsets) == ("passed", {"en": "improved", "no": "regressed"})


def test_what_has_no_number_has_null_and_a_reason() -> None:
    verdict = a_verdict()
    assert verdict["incomplete"] == {"D": "gated"}
    assert verdict["means"]["retrieval"] == {
        "status": "incomplete",
        "tasks": 2,
        "missing": ["D"],
        "score": None,
        "tolerance": None,
        "detectable": None,
        "accepted": [],
    }
    assert verdict["means"]["clustering"]["score"] == pytest.approx(0.5)
    assert verdict["means"]["clustering"]["tolerance"] == 0.0025
    assert verdict["means"]["clustering"]["missing"] == []


def test_what_is_accepted_is_there_with_its_day_and_reason() -> None:
    until = Acceptance(date(2027, 3, 1), "known")
    comparisons = {
        "A": a_comparison("A", 0.4, 0.5, accepted=until),
        "B": a_comparison("B", 0.5, 0.5, accepted=until),
        "C": a_comparison("C", 0.4, 0.5, accepted=replace(until, ended=True)),
    }
    decision = decide(comparisons, {}, set(comparisons), TASKS, Policy())
    written = json.loads(json.dumps(content_of(decision, comparisons, Policy())))
    facts = {"until": "2027-03-01", "reason": "known"}
    assert {name: (task["status"], task["accepted"]) for name, task in written["tasks"].items()} == {
        "A": ("accepted", facts | {"ended": False, "recovered": False}),
        "B": ("passed", facts | {"ended": False, "recovered": True}),
        "C": ("regressed", facts | {"ended": True, "recovered": False}),
    }
    mean = written["means"]["clustering"]
    assert (mean["status"], mean["accepted"], mean["drop"]) == ("accepted", ["A", "B"], 0.0)
    assert (mean["score"], mean["baseline"]) == (pytest.approx(0.45), 0.5)


def test_an_infinite_number_is_null_for_json_knows_none() -> None:
    comparison = a_comparison("A", 0.4, 0.5)
    difference = comparison.difference.__class__(0.1, float("inf"), 0.5, 0.5, 0)
    pair = comparison.__class__(0.4, 0.5, difference, task="A", metric="nmi", tolerance=0.005)
    decision = decide({"A": pair}, {}, {"A"}, TASKS, Policy())
    written = content_of(decision, {"A": pair}, Policy())
    assert written["tasks"]["A"]["standard_error"] is None
    assert written["tasks"]["A"]["interval"] == [None, None]
    json.dumps(written, allow_nan=False)


def test_where_no_sampling_error_is_known_it_and_what_rests_on_it_are_null() -> None:
    own = a_comparison("A", 0.4, 0.5)
    own = replace(own, difference=replace(own.difference, standard_error=0.0, p_drop=0.0, p_gain=1.0))
    written = content_of(decide({"A": own}, {}, {"A"}, TASKS, Policy()), {"A": own}, Policy())["tasks"]["A"]
    unknown = ("standard_error", "p_drop", "p_gain", "interval", "detectable")
    assert (written["status"], written["drop"]) == ("regressed", pytest.approx(0.1))
    assert {name: written[name] for name in unknown} == dict.fromkeys(unknown)


def test_what_regressed_by_holms_procedure_only_is_named() -> None:
    """By Holm's procedure: 0.01 is above the first level of 0.05 / 6, and below that of the second."""
    comparisons = {"A": a_comparison("A", 0.4, 0.5), "B": a_comparison("B", 0.4, 0.5, 0.02)}
    chosen = {name: TASKS[name] for name in comparisons}
    decision = decide(comparisons, {}, set(chosen), chosen, Policy())
    written = content_of(decision, comparisons, Policy())
    assert written["regressed_by_holm"] == ["B"]
    assert written["tasks"]["B"]["status"] == "regressed"
