"""A verdict as CI systems read it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from xml.etree.ElementTree import fromstring

from pytest_mieb.gate.policy import Policy
from pytest_mieb.gate.stored import Stored, decide_stored, open_stored
from pytest_mieb.measurement.baseline import Acceptance, Baseline, Measurement
from pytest_mieb.report.junit import junit
from pytest_mieb.report.view import of_stored
from pytest_mieb.suite.cards import load_tasks
from tests.stored_runs import a_run, a_verdict

TASKS = load_tasks()
A, B, C, WIT = "CIFAR10ZeroShot", "DTDZeroShot", "STL10ZeroShot", "WITT2IRetrieval"
LANGUAGES = dict.fromkeys(TASKS[WIT].subsets, 0.8)


def test_regressions_are_failures_and_missing_verdicts_errors(tmp_path: Path) -> None:
    a_run(tmp_path / "old", {A: 0.9, B: 0.7, C: 0.7, WIT: LANGUAGES})
    new = a_run(tmp_path / "new", {A: 0.7, B: 0.7, WIT: LANGUAGES | {"ko": 0.5}})
    a_verdict(new, {C: "the worker\x1b[0m crashed <&>"})
    before, after = (open_stored(str(tmp_path / name), tmp_path, TASKS) for name in ("old", "new"))
    outcome = decide_stored(before, after, TASKS, Policy())
    (suite,) = fromstring(junit(of_stored(outcome)))
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "5", "failures": "2", "errors": "2", "skipped": "0"}
    cases = {f"{case.get('classname')}.{case.get('name')}": case for case in suite}
    assert {name: [child.tag for child in case] for name, case in cases.items()} == {
        f"mieb.zero_shot_classification.{A}": ["failure"],
        f"mieb.zero_shot_classification.{B}": [],
        f"mieb.zero_shot_classification.{C}": ["error"],
        f"mieb.retrieval.{WIT}": ["failure"],
        "mieb.means.zero_shot_classification": ["error"],
    }
    (failure,) = cases[f"mieb.zero_shot_classification.{A}"]
    assert failure.text == outcome.decision.verdicts[A].failure
    assert str(failure.get("message")).startswith(f"{A} regressed: accuracy 70.00, baseline 90.00 (-20.00)")
    (language,) = cases[f"mieb.retrieval.{WIT}"]
    assert f"\n\n{WIT} [ko] regressed" in str(language.text)
    (error,) = cases[f"mieb.zero_shot_classification.{C}"]
    assert error.text == f"{C}: the worker\N{REPLACEMENT CHARACTER}[0m crashed <&>"


def test_an_accepted_regression_passes_with_a_note() -> None:
    until = Acceptance(date(9999, 12, 31), "known")
    tasks = {A: Measurement(0.8, 0.01, accepted=until), B: Measurement(0.8, 0.01)}
    old = Stored("old", "recorded", Path(), Baseline("old", "hub", tasks=tasks))
    new = Stored("new", "recorded", Path(), Baseline("new", "hub", tasks=tasks | {A: Measurement(0.4, 0.01)}))
    (suite,) = fromstring(junit(of_stored(decide_stored(old, new, TASKS, Policy()))))
    assert (suite.get("tests"), suite.get("failures")) == ("3", "0")
    notes = {case.get("name"): [child.tag for child in case] for case in suite}
    noted = ["properties", "system-out"]
    assert notes == {A: noted, B: [], "zero_shot_classification": noted}
    (case, _, mean) = suite
    said = "the regression is accepted until 9999-12-31: known"
    assert [(each.get("name"), each.get("value")) for each in case.iter("property")] == [("mieb_accepted", said)]
    assert case.findtext("system-out") == said
    assert mean.findtext("system-out") == f"{A} counts as unchanged, because its drop is accepted"


def test_what_needs_no_verdict_is_skipped() -> None:
    tasks = {A: Measurement(0.8, 0.01), B: Measurement(0.8, 0.01)}
    old = Stored("old", "published", Path(), Baseline("old", "hub", tasks=tasks, unusable={A: "other corpus"}))
    new = Stored("new", "recorded", Path(), Baseline("new", "hub", tasks=tasks))
    (suite,) = fromstring(junit(of_stored(decide_stored(old, new, TASKS, Policy()))))
    assert (suite.get("tests"), suite.get("skipped")) == ("2", "1")
    assert suite.find("testcase/skipped").get("message") == "other corpus"  # type: ignore[union-attr]
