"""Which tasks a command line selects, and in which order."""

from __future__ import annotations

import pytest

from pytest_mieb.suite import load_tasks
from tests.plugin.test_options import MEASURE

LIST = (*MEASURE, "--collect-only", "-q")


def collected(result: pytest.RunResult) -> list[str]:
    """The ids of the tasks, in order."""
    return [line.partition("[")[2].removesuffix("]") for line in result.outlines if "::test_mieb[" in line]


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        ([], 130),
        (["-m", "lite"], 51),
        (["-m", "eng"], 125),
        (["-m", "multilingual"], 5),
        (["-m", "lite and eng"], 47),
        (["-m", "clustering"], 5),
        (["-m", "clustering or visual_sts"], 14),
        (["-m", "zero_shot_classification", "-k", "not STL10"], 22),
    ],
    ids=lambda value: " ".join(value) or "all" if isinstance(value, list) else str(value),
)
def test_markers_select_tasks(pytester: pytest.Pytester, chosen: list[str], count: int) -> None:
    result = pytester.runpytest_inprocess(*LIST, "--strict-markers", "-W", "error", *chosen)
    assert result.ret == pytest.ExitCode.OK
    assert len(collected(result)) == count


def test_the_order_is_that_of_the_suite(pytester: pytest.Pytester) -> None:
    assert collected(pytester.runpytest_inprocess(*LIST)) == list(load_tasks())


def test_without_a_path_the_suite_runs_even_where_there_are_other_tests(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntestpaths = tests\n")
    pytester.makepyfile(**{"tests/test_own": "def test_own(): ..."})
    result = pytester.runpytest_inprocess(*LIST)
    assert len(collected(result)) == 130
    assert "test_own" not in result.stdout.str()


def test_a_given_path_wins_over_the_suite(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile("def test_own(): ...")
    result = pytester.runpytest_inprocess(*LIST, path)
    assert not collected(result)
    result.stdout.fnmatch_lines(["*::test_own", "1 test collected*"])


def test_the_suites_file_has_a_name_in_the_ids(pytester: pytest.Pytester) -> None:
    """JUnit groups by it, and a human finds it."""
    result = pytester.runpytest_inprocess(*LIST, "-k", "CIFAR10Clustering")
    result.stdout.fnmatch_lines(["*test_mieb.py::test_mieb[[]CIFAR10Clustering[]]"])


def test_the_users_own_pattern_of_file_names_does_not_hide_the_suite(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\npython_files = check_*.py\n")
    assert len(collected(pytester.runpytest_inprocess(*LIST))) == 130


def test_a_users_test_with_the_fixture_runs_for_every_selected_task(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile("def test_own(mieb_task): ...")
    result = pytester.runpytest_inprocess(*LIST, "-m", "clustering", path)
    assert [line.rpartition("::")[2] for line in result.outlines if "::" in line] == [
        f"test_own[{name}]" for name, task in load_tasks().items() if task.category == "clustering"
    ]


def test_a_selection_of_nothing_is_not_a_pass(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess(*MEASURE, "-k", "NoSuchTask")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
