"""What a run is judged by, from the options and from the baseline that a person edited."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mieb.plugin import INCOMPLETE
from tests.plugin.running import SOUND, Toys, summary
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
    apart.baseline.write_text(text.replace("ToyChoice: {", "ToyChoice: {tolerance: 0.65, "), encoding="utf-8")
    options = (f"--mieb-baseline={SOUND}", "-k", "ToyChoice or ToyZeroShot")
    result = apart.run(LOST, *options, "--mieb-tolerance=1")
    assert failed(result) == ["ToyZeroShot"]
    assert apart.verdict(LOST)["tasks"]["ToyChoice"]["tolerance"] == 0.65
    result = apart.run(LOST, *options, "--mieb-tolerance=ToyChoice=60")
    assert failed(result) == ["ToyZeroShot", "ToyChoice"]
    assert "ToyChoice regressed: accuracy 37.50, baseline 100.00 (-62.50), tolerance 60.00" in result.outlines


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
    assert result.outlines[place + 1] == "drop 25.00 points, 95 % interval 5.51 to 44.49"
    assert result.outlines[place + 2].startswith("with 99 % confidence the drop is below ")
    assert any(line.startswith("verdict: non-inferiority at 1 % (tasks 1)") for line in summary(result))


def test_no_change_at_all_is_shown_to_be_harmless(there: tuple[Toys, str]) -> None:
    here, baseline = there
    result = here.run("sound", baseline, "--mieb-policy=non-inferiority")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=9, deselected=130)


def test_another_context_is_a_warning_or_where_that_was_asked_for_an_error(there: tuple[Toys, str]) -> None:
    here, baseline = there
    options = (baseline, "--mieb-batch-size=16", "-k", "ToySTS or ToyZeroShot or ToyShades")
    warning = "batch size 16, the baseline's was 64"
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
