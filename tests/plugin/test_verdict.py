"""Regressed, errored, not run, not applicable: told apart in the exit code, in JUnit and in verdict.json."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from random import Random

import pytest

from pytest_mieb.plugin import INCOMPLETE
from pytest_mieb.plugin.collecting import SUITE
from tests.plugin.running import SOUND, Toys, assert_no_traceback, summary
from tests.plugin.toy import BROKEN, MEAN, OF_IMAGES_ONLY, TASKS, write_sts

Ran = tuple[Toys, pytest.RunResult]


@pytest.fixture
def there(toys: Toys, recorded: Ran, tmp_path: Path) -> tuple[Toys, str]:
    """An empty folder to run in, and the option that compares with the sound model's baseline."""
    return toys.at(tmp_path), f"--mieb-baseline={recorded[0].baseline}"


def test_an_error_is_no_regression_but_no_pass_either(there: tuple[Toys, str], toys: Toys) -> None:
    """Two tasks whose data cannot be used, and two means that are no numbers without them."""
    here, baseline = there
    result = here.run("sound", baseline, f"--mieb-tasks={toys.broken_cards}", "--junitxml=junit.xml")
    assert result.ret == INCOMPLETE
    # Eight tasks and the one mean that has all of its tasks.
    result.assert_outcomes(passed=9, errors=4, deselected=130)
    assert here.junit() == {
        **{f"test_mieb::test_mieb[{name}]": "error" if name in BROKEN else "passed" for name in (*TASKS, *BROKEN)},
        "mieb::clustering": "error",
        f"mieb::{MEAN}": "passed",
        "mieb::visual_sts": "error",
    }
    assert "clustering is incomplete, because 1 of 2 tasks have no verdict: ToyNoColumn" in result.outlines
    verdict = here.verdict()
    assert (verdict["state"], verdict["exit_code"]) == ("incomplete", INCOMPLETE)
    assert set(verdict["incomplete"]) == set(BROKEN)
    assert {name: mean["status"] for name, mean in verdict["means"].items()} == {
        "clustering": "incomplete",
        MEAN: "passed",
        "visual_sts": "incomplete",
    }
    assert summary(result)[0] == "errors (2): ToyNoColumn, ToyNoDataset"


def test_a_regression_beside_errors_is_a_regression(there: tuple[Toys, str], toys: Toys) -> None:
    here, baseline = there
    result = here.run(
        "swapped_channels",
        baseline,
        f"--mieb-tasks={toys.broken_cards}",
        "-k",
        "ToyNo or ToyChoice",
        "--junitxml=junit.xml",
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert here.junit() == {
        "test_mieb::test_mieb[ToyChoice]": "failure",
        "test_mieb::test_mieb[ToyNoColumn]": "error",
        "test_mieb::test_mieb[ToyNoDataset]": "error",
    }
    verdict = here.verdict("swapped_channels")
    assert (verdict["state"], verdict["exit_code"]) == ("regressed", 1)
    assert set(verdict["incomplete"]) == set(BROKEN)


def test_an_error_beside_a_failure_of_the_users_own_keeps_the_exit_code_of_that(
    there: tuple[Toys, str], toys: Toys
) -> None:
    here, baseline = there
    (here.folder / "test_own.py").write_text("def test_own(): assert False\n", encoding="utf-8")
    options = [baseline, f"--mieb-tasks={toys.broken_cards}", str(SUITE), "-k", "ToyNoColumn or ToyPairs or test_own"]
    assert here.run("sound", *options).ret == INCOMPLETE
    assert here.run("sound", *options, "test_own.py").ret == pytest.ExitCode.TESTS_FAILED
    assert here.verdict()["state"] == "incomplete"


OWN = """
import pytest

def test_own({asked}): ...

@pytest.mark.skip(reason="not today")
def test_other({asked}): ...
"""


@pytest.mark.parametrize("asked", ["mieb_task", "mieb_result"])
def test_a_users_test_that_asks_for_no_verdict_needs_none(there: tuple[Toys, str], asked: str) -> None:
    here, baseline = there
    (here.folder / "test_own.py").write_text(OWN.format(asked=asked), encoding="utf-8")
    result = here.run("sound", baseline, "test_own.py::test_own", "test_own.py::test_other")
    assert result.ret == pytest.ExitCode.OK, summary(result)
    result.assert_outcomes(passed=8, skipped=8, deselected=260)
    assert not any(line.startswith(("errors", "did not run", "not applicable")) for line in summary(result))


def test_a_skip_of_the_users_own_is_none_of_the_suites(there: tuple[Toys, str]) -> None:
    here, baseline = there
    (here.folder / "test_own.py").write_text(OWN.format(asked="mieb_task"), encoding="utf-8")
    result = here.run("sound", baseline, str(SUITE), "test_own.py", "-k", "ToyChoice")
    assert result.ret == pytest.ExitCode.OK, summary(result)
    assert here.verdict()["state"] == "passed"


def test_a_run_that_stops_at_an_error_is_incomplete(there: tuple[Toys, str]) -> None:
    here, baseline = there
    result = here.run("not_a_number", baseline, "-x", "-k", "ToyPairs or ToyZeroShot or ToySTS")
    assert result.ret == INCOMPLETE
    assert {name: reason[:11] for name, reason in here.verdict("not_a_number")["incomplete"].items()} == {
        "ToyZeroShot": "the model g",
        "ToyPairs": "did not run",
        "ToySTS": "did not run",
    }
    assert summary(result)[-1].endswith("-k 'ToyZeroShot or ToyPairs or ToySTS'")


def test_what_the_model_can_no_longer_do_is_not_applicable_and_incomplete(there: tuple[Toys, str]) -> None:
    here, baseline = there
    result = here.run("vision_only", baseline)
    assert result.ret == INCOMPLETE
    result.assert_outcomes(passed=3, skipped=5, errors=1, deselected=130)
    assert set(here.verdict("vision_only")["incomplete"]) == set(TASKS) - set(OF_IMAGES_ONLY)
    reason = here.verdict("vision_only")["incomplete"]["ToyPairs"]
    assert reason == "not applicable now: toymodels:vision_only embeds no text"
    (reason,) = (line for line in summary(result) if line.startswith("not applicable (5): Toy"))
    assert reason.endswith(": toymodels:vision_only embeds no text")


def test_a_task_that_the_baseline_lacks_is_an_error_with_the_command_that_records_it(apart: Toys) -> None:
    lines = apart.baseline.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if "ToyZeroShot" not in line]
    apart.baseline.write_text("\n".join(kept) + "\n", encoding="utf-8")
    result = apart.run("sound", "-k", "ToyZeroShot or ToyPairs")
    assert result.ret == INCOMPLETE
    result.assert_outcomes(passed=1, errors=1, deselected=136)
    result.stdout.fnmatch_lines(
        [
            "ToyZeroShot: there is no baseline in toymodels:sound; it scored 100.00",
            "record it with --mieb-update -k ToyZeroShot",
        ]
    )
    assert summary(result)[-1].endswith("-k ToyZeroShot")


def test_other_data_is_an_error_that_says_which(there: tuple[Toys, str], toys: Toys) -> None:
    here, baseline = there
    mirror = here.folder / "mirror"
    shutil.copytree(toys.mirror, mirror)
    shutil.rmtree(mirror / "toy/sts")
    write_sts(mirror, Random(8))
    result = here.run("sound", baseline, f"--mieb-data={mirror}", "-k", "ToySTS or ToyPairs")
    assert result.ret == INCOMPLETE
    result.assert_outcomes(passed=1, errors=1, deselected=136)
    said = "ToySTS: the examples differ from the baseline's, although the dataset's revision is the same; "
    assert here.verdict()["incomplete"]["ToySTS"].startswith(said)
    assert any(line.startswith(said) for line in result.outlines)
    assert_no_traceback(summary(result))


def test_what_fails_only_beside_the_others_is_a_report_of_its_own(there: tuple[Toys, str]) -> None:
    """By Holm's procedure: ToyPairs passed by itself, at 0.05 * 2/3 / 3, and fails when the two others did."""
    here, baseline = there
    options = [baseline, "-k", "ToyLanguages or ToyChoice or ToyPairs", "--junitxml=junit.xml"]
    result = here.run("swapped_channels", *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert here.junit() == {
        "test_mieb::test_mieb[ToyLanguages]": "failure",
        "test_mieb::test_mieb[ToyPairs]": "passed",
        "test_mieb::test_mieb[ToyChoice]": "failure",
        "mieb::ToyPairs, by Holm's procedure": "failure",
    }
    assert here.verdict("swapped_channels")["regressed_by_holm"] == ["ToyPairs"]
    interval = "95 % confidence interval of the drop 5.51 to 44.49"
    assert (
        f"  ToyPairs: 75.00, baseline 100.00 (-25.00), {interval}, p = 0.016, significant by Holm's procedure"
        in summary(result)
    )
    assert summary(result)[-1].endswith("-k 'ToyLanguages or ToyPairs or ToyChoice'")


@pytest.mark.parametrize("verbosity", ["-q", "-v", "-vv"])
def test_means_count_as_reports_but_are_not_collected(there: tuple[Toys, str], verbosity: str) -> None:
    here, baseline = there
    result = here.run("sound", baseline, verbosity, "-k", "ToyZeroShot or ToyShades or ToySTS")
    assert result.ret == pytest.ExitCode.OK
    assert "4 passed, 135 deselected" in result.outlines[-1]
    if verbosity == "-q":
        assert sum(line.count(".") for line in result.outlines if line.endswith("%]")) == 4
    else:
        assert "collected 138 items / 135 deselected / 3 selected" in " ".join(result.outlines)
        assert f"mieb::{MEAN} PASSED" in [" ".join(line.split()[:2]) for line in result.outlines]
    shares = [int(share) for line in result.outlines for share in re.findall(r"\[ *(\d+)%\]", line)]
    assert shares[-1] == max(shares) == 100


def test_compared_with_nothing_nothing_is_judged(there: tuple[Toys, str]) -> None:
    here, baseline = there
    chosen = ["-k", "ToyZeroShot or ToyShades"]
    assert here.run("sound", baseline, *chosen).parseoutcomes() == {"passed": 3, "deselected": 136}
    assert here.verdict()["state"] == "passed"
    result = here.run("sound", "--mieb-baseline=none", *chosen, "-v")
    assert (result.ret, result.parseoutcomes()) == (pytest.ExitCode.OK, {"passed": 2, "deselected": 136})
    assert not any("mieb::" in line for line in result.outlines)
    # The verdict of the run before would be taken for this one's.
    assert not (here.folder / "mieb-results" / SOUND / "verdict.json").exists()
