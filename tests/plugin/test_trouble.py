"""What goes wrong at a task stays with that task: a missing score is neither a pass nor a zero."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.plugin.running import Toys, assert_no_traceback, summary
from tests.plugin.toy import BROKEN, OF_IMAGES_ONLY, TASKS

Ran = tuple[Toys, pytest.RunResult]


@pytest.fixture(scope="module")
def in_part(toys: Toys) -> Ran:
    """A model without texts, and two tasks whose data cannot be used."""
    here = toys.at(toys.mirror.parent / "in-part")
    return here, here.run(
        "vision_only", "--mieb-baseline=none", f"--mieb-tasks={toys.broken_cards}", "-rs", "--junitxml=junit.xml"
    )


def test_a_task_that_the_model_cannot_do_is_skipped_with_the_reason(in_part: Ran) -> None:
    _, result = in_part
    result.assert_outcomes(passed=3, skipped=4, errors=2, deselected=130)
    result.stdout.fnmatch_lines(["SKIPPED [[]4[]] *: toymodels:vision_only embeds no text"])
    assert "not applicable (4): toymodels:vision_only embeds no text" in summary(result)


def test_data_that_cannot_be_used_is_an_error_of_its_task_alone(in_part: Ran, toys: Toys) -> None:
    here, result = in_part
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    for sentence in (
        f"dataset toy/absent (revision main) is not in the mirror {toys.mirror}: "
        f"download a snapshot of it to {toys.mirror}/toy/absent",
        "dataset toy/colours (revision main), split test: no column 'colour', only image, label; "
        "check the card against the dataset, or download it again",
    ):
        (line,) = (line for line in result.outlines if sentence in line and not line.startswith("ERROR"))
        assert line.endswith(sentence)
    assert f"errors (2): {', '.join(sorted(BROKEN))}" in summary(result)
    assert set(here.results("vision_only").contents) == set(OF_IMAGES_ONLY)
    errors = result.outlines.index(next(line for line in result.outlines if line.strip("= ") == "ERRORS"))
    assert_no_traceback(result.outlines[errors : result.outlines.index(summary(result)[0])])


def test_the_next_command_runs_what_has_no_score(in_part: Ran) -> None:
    _, result = in_part
    assert summary(result)[-1].endswith("-k 'ToyNoColumn or ToyNoDataset'")


def test_junit_tells_errors_from_failures_and_skips(in_part: Ran) -> None:
    here, _ = in_part
    (suite,) = ElementTree.parse(here.folder / "junit.xml").getroot()
    assert {kind: suite.get(kind) for kind in ("errors", "failures", "skipped", "tests")} == {
        "errors": "2",
        "failures": "0",
        "skipped": "4",
        "tests": "9",
    }
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert {name for name, case in cases.items() if case.find("error") is not None} == {
        f"test_mieb[{name}]" for name in BROKEN
    }


@pytest.fixture(scope="module")
def not_a_number(toys: Toys, recorded: Ran) -> Ran:
    """A model whose texts are NaN; and one task of the benchmark, whose dataset is not in the mirror."""
    here = toys.at(toys.mirror.parent / "not-a-number")
    chosen = "ToyClustering or ToyZeroShot or ToyPairs or CIFAR10Clustering"
    return here, here.run("not_a_number", f"--mieb-baseline={recorded[0].baseline}", "-k", chosen)


def test_an_embedding_that_is_not_a_number_is_an_error_not_a_score(not_a_number: Ran) -> None:
    here, result = not_a_number
    result.assert_outcomes(passed=1, errors=3, deselected=133)
    sentence = "the model gave NaN or infinite values for text inputs; check its weights"
    assert len([line for line in result.outlines if sentence in line and not line.startswith("ERROR")]) == 2
    lines = summary(result)
    assert "errors (3): CIFAR10Clustering, ToyPairs, ToyZeroShot" in lines
    assert not any(line.startswith("regressed") for line in lines)
    assert set(here.results("not_a_number").contents) == {"ToyClustering"}


def test_a_benchmark_in_part_has_no_mean(not_a_number: Ran) -> None:
    _, result = not_a_number
    means = [line for line in summary(result) if line.startswith("Mean")]
    assert means == ["Mean (en) of MIEB-lite: incomplete", "Mean (m) of MIEB-lite: incomplete"]


def test_a_worker_that_dies_is_an_error_of_the_task_that_it_was_at(toys: Toys) -> None:
    here = toys.at(toys.mirror.parent / "dies")
    result = here.run("dies", "--mieb-baseline=none", "-n", "2", "-k", "ToyPairs or ToySTS or ToyClustering")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert (
        len([line for line in result.outlines if line.startswith("worker ") and "crashed while running" in line]) == 1
    )
    lines = summary(result)
    assert "errors (1): ToyPairs" in lines
    assert not any(line.startswith("did not run") for line in lines)
    assert set(here.results("dies").contents) == {"ToyClustering", "ToySTS"}
    assert lines[-1].endswith("-k ToyPairs")


def test_workers_that_cannot_load_the_model_fail_every_task_with_the_sentence(toys: Toys) -> None:
    here = toys.at(toys.mirror.parent / "raises")
    result = here.run("raises", "--mieb-baseline=none", "-n", "2")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(errors=7)
    sentence = "raises() failed: RuntimeError: weights of step 40000 are truncated"
    assert len([line for line in result.outlines if sentence in line and not line.startswith("ERROR")]) == 7
    lines = summary(result)
    assert f"errors (7): {', '.join(sorted(TASKS))}" in lines
    assert_no_traceback(lines)
