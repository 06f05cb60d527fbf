"""What a run is judged by, from the options and from the baseline that a person edited."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from pytest_mieb.plugin import INCOMPLETE
from tests.plugin.running import SOUND, Toys, assert_refused, summary
from tests.plugin.toy import MEAN

Ran = tuple[Toys, pytest.RunResult]
LOST = "swapped_channels"


@pytest.fixture
def there(toys: Toys, recorded: Ran, tmp_path: Path) -> tuple[Toys, str]:
    """An empty folder to run in, and the option that compares with the sound model's baseline."""
    return toys.at(tmp_path), f"--mieb-baseline={recorded[0].baseline}"


def failed(result: pytest.RunResult) -> list[str]:
    return [line.split()[1].partition("[")[2].removesuffix("]") or line.split()[1] for line in failures(result)]


def failures(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("FAILED ")]


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ([], ["ToyShades", "ToyZeroShot", "ToyChoice", f"mieb::{MEAN}"]),
        (["--mieb-tolerance=55"], ["ToyChoice", f"mieb::{MEAN}"]),  # half of it for the mean
        (["--mieb-tolerance=70", "--mieb-tolerance=means=55"], []),
        (["--mieb-tolerance=zero_shot_classification=55", "--mieb-tolerance=means=55"], ["ToyChoice"]),
        (["--mieb-tolerance=ToyShades=50.5"], ["ToyZeroShot", "ToyChoice", f"mieb::{MEAN}"]),
        (["--mieb-tolerance=90", "--mieb-tolerance=ToyShades=1", "--mieb-tolerance=means=90"], ["ToyShades"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_a_tolerance_is_for_all_or_for_a_category_a_task_or_the_means(
    there: tuple[Toys, str], options: list[str], left: list[str]
) -> None:
    here, baseline = there
    result = here.run(LOST, baseline, *options, "-k", "ToyShades or ToyZeroShot or ToyChoice")
    assert failed(result) == left
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if left else pytest.ExitCode.OK)


def test_an_edited_tolerance_counts_unless_the_command_line_says_otherwise(apart: Toys) -> None:
    text = apart.baseline.read_text(encoding="utf-8")
    apart.baseline.write_text(text.replace("ToyChoice: {", "ToyChoice: {tolerance: 0.15, "), encoding="utf-8")
    options = (f"--mieb-baseline={SOUND}", "-k", "ToyChoice or ToyZeroShot")
    result = apart.run(LOST, *options, "--mieb-tolerance=1")
    assert failed(result) == ["ToyZeroShot", "ToyChoice"]
    assert "ToyChoice regressed: accuracy 37.50, baseline 100.00 (-62.50), tolerance 15.00" in result.outlines
    result = apart.run(LOST, *options, "--mieb-tolerance=ToyChoice=65")
    assert failed(result) == ["ToyZeroShot"]
    assert apart.verdict(LOST)["tasks"]["ToyChoice"]["tolerance"] == 0.65


def test_settings_of_the_gate_stand_in_the_configuration_file_too(there: tuple[Toys, str]) -> None:
    here, baseline = there
    ini = "mieb_tolerance =\n    2\n    ToyChoice=70\nmieb_alpha = 0.01\nmieb_policy = non-inferiority\n"
    here.at(here.folder, ini + "mieb_strict_context = true\n")
    result = here.run("sound", baseline, "-k", "ToyChoice")
    assert result.ret == pytest.ExitCode.OK
    assert here.verdict()["policy"] == {
        "kind": "non-inferiority",
        "alpha": 0.01,
        "tolerance": 0.02,
        "named": {"ToyChoice": 0.7},
        "strict_context": True,
    }


def test_a_drop_that_chance_explains_passes_but_is_not_shown_to_be_harmless(there: tuple[Toys, str]) -> None:
    """ToyPairs lost 6 of 24, p = 1/64."""
    here, baseline = there
    options = (baseline, "--mieb-alpha=0.01", "-k", "ToyPairs")
    result = here.run(LOST, *options)
    assert result.ret == pytest.ExitCode.OK
    assert here.verdict(LOST)["tasks"]["ToyPairs"]["p_drop"] == 1 / 64
    result = here.run(LOST, *options, "--mieb-policy=non-inferiority")
    assert (result.ret, failed(result)) == (pytest.ExitCode.TESTS_FAILED, ["ToyPairs"])
    place = result.outlines.index("ToyPairs regressed: text_acc 75.00, baseline 100.00 (-25.00), tolerance 0.50")
    assert result.outlines[place + 1] == "the drop is 25.00 points, with a 95 % confidence interval of 5.51 to 44.49"
    assert result.outlines[place + 2].startswith("the upper 99 % confidence bound of the drop is ")
    assert any(
        line.startswith("the verdict rests on non-inferiority tests at 1 % each (1 task)") for line in summary(result)
    )


def test_no_change_at_all_is_shown_to_be_harmless(there: tuple[Toys, str]) -> None:
    here, baseline = there
    result = here.run("sound", baseline, "--mieb-policy=non-inferiority")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=9, deselected=130)


def test_another_context_is_a_warning_or_where_that_was_asked_for_an_error(there: tuple[Toys, str]) -> None:
    here, baseline = there
    options = (baseline, "--mieb-batch-size=16", "-k", "ToySTS or ToyZeroShot or ToyShades")
    warning = "the batch size is 16, the baseline's was 64"
    result = here.run("sound", *options)
    assert result.ret == pytest.ExitCode.OK
    assert f"warning: {warning}" in summary(result)
    assert here.verdict()["tasks"]["ToySTS"]["warnings"] == [warning]
    result = here.run("sound", *options, "--mieb-strict-context")
    assert result.ret == INCOMPLETE
    result.assert_outcomes(errors=4, deselected=135)
    assert here.verdict()["incomplete"]["ToySTS"].startswith(
        f"ToySTS: {warning}; compare in the baseline's context, record the baseline anew, or "
    )


def accept(here: Toys, until: str, *names: str) -> None:
    text = here.baseline.read_text(encoding="utf-8")
    for name in names:
        assert f"  {name}: {{" in text
        text = text.replace(f"  {name}: {{", f"  {name}: {{accepted: {{until: {until}, reason: a new reader}}, ")
    here.baseline.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "spread"])
def test_an_accepted_regression_fails_neither_its_task_nor_its_mean(apart: Toys, workers: tuple[str, ...]) -> None:
    """ToyShades and ToyZeroShot are the mean; ToySTS has lost nothing."""
    accept(apart, "9999-12-31", "ToyShades", "ToyZeroShot", "ToyChoice", "ToySTS")
    chosen = "ToyShades or ToyZeroShot or ToyChoice or ToySTS"
    result = apart.run(LOST, f"--mieb-baseline={SOUND}", "-k", chosen, "--junitxml=junit.xml", *workers)
    assert result.ret == pytest.ExitCode.OK
    lines = summary(result)
    assert lines[0] == "accepted (4):"
    left_out = "ToyShades, ToyZeroShot count as unchanged, because their drops are accepted"
    assert lines[1] == f"  {MEAN}, 2 tasks: 50.00, baseline 100.00 (-50.00); {left_out}"
    assert lines[2].startswith(
        "  ToyShades: 50.00, baseline 100.00 (-50.00), 95 % confidence interval of the drop 37.28 to 62.72, p = "
    )
    assert lines[2].endswith("; the regression is accepted until 9999-12-31: a new reader")
    gone = (
        "the regression that was accepted until 9999-12-31 (a new reader) is gone; remove `accepted` from the baseline"
    )
    assert f"  ToySTS: {gone}" in lines
    verdict = apart.verdict(LOST)
    assert (verdict["state"], verdict["exit_code"], verdict["means"][MEAN]["status"]) == ("passed", 0, "accepted")
    assert {name: task["status"] for name, task in verdict["tasks"].items()} == {
        "ToyShades": "accepted",
        "ToyZeroShot": "accepted",
        "ToyChoice": "accepted",
        "ToySTS": "passed",
    }
    cases = ElementTree.parse(apart.folder / "junit.xml").getroot().iter("testcase")
    notes = {
        case.get("name"): [each.get("value") for each in case.iter("property") if each.get("name") == "mieb_accepted"]
        for case in cases
    }
    assert notes == {
        **{
            f"test_mieb[{name}]": ["the regression is accepted until 9999-12-31: a new reader"]
            for name in list(verdict["tasks"])[:3]
        },
        "test_mieb[ToySTS]": [gone],
        MEAN: [left_out],
    }


def test_an_acceptance_that_ended_fails_and_says_so(apart: Toys) -> None:
    accept(apart, "2000-01-01", "ToyChoice")
    result = apart.run(LOST, f"--mieb-baseline={SOUND}", "-k", "ToyChoice")
    assert (result.ret, failed(result)) == (pytest.ExitCode.TESTS_FAILED, ["ToyChoice"])
    assert "its acceptance ended on 2000-01-01 (a new reader)" in result.outlines


def test_an_accepted_regression_that_is_recorded_is_accepted_no_more(apart: Toys) -> None:
    accept(apart, "9999-12-31", "ToyChoice", "ToyPairs")
    result = apart.run(LOST, f"--mieb-baseline={SOUND}", "--mieb-update", "-k", "ToyChoice")
    assert result.ret == pytest.ExitCode.OK
    said = "  ToyChoice: what was accepted until 9999-12-31 is part of the baseline now, and `accepted` is removed"
    assert said in summary(result)
    tasks = yaml.safe_load(apart.baseline.read_text(encoding="utf-8"))["tasks"]
    assert [name for name, task in tasks.items() if "accepted" in task] == ["ToyPairs"]


def test_an_acceptance_without_a_reason_is_one_usage_error(apart: Toys) -> None:
    accept(apart, "9999-12-31", "ToyChoice")
    text = apart.baseline.read_text(encoding="utf-8")
    apart.baseline.write_text(text.replace("reason: a new reader", "reason: "), encoding="utf-8")
    assert_refused(apart.run("sound"), f"{apart.baseline}: tasks.ToyChoice.accepted.reason: None is not text; say why")
