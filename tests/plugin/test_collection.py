"""Which tasks a command line selects, and in which order."""

from __future__ import annotations

import os

import pytest

from pytest_mieb.plugin.collecting import SUITE
from pytest_mieb.suite.cards import load_tasks
from tests.plugin.running import assert_refused
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


OWN = """
import pytest

def test_plain(): ...

def test_task(mieb_task): ...

def test_model(mieb_embedder): ...

@pytest.mark.parametrize("mieb_task", ["CIFAR10"], indirect=True)
def test_verdict(mieb_verdict): ...
"""
FEW = ("-k", "CIFAR10Clustering or STL10 or own")
CHOSEN = ["STL10", "CIFAR10Clustering", "STL10ZeroShot"]
IN_PLACE = "mieb suite: in place of testpaths (tests more/test_*.py); name them to run both"


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Tests of its own in a folder and beside it, that the configuration names."""
    pytester.makeini("[pytest]\ntestpaths = tests more/test_*.py\n")
    for folder in ("tests", "more"):
        pytester.mkdir(folder)
    pytester.makepyfile(**{"tests/test_own": OWN, "more/test_own_too": "def test_too(): ..."})
    return pytester


def own(result: pytest.RunResult) -> list[str]:
    lines = [line for line in result.outlines if "::" in line and "::test_mieb[" not in line]
    return list(dict.fromkeys(line.rpartition("::")[2].partition("[")[0] for line in lines))


def test_without_a_path_the_suite_runs_alone_and_the_header_says_in_place_of_what(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess(*MEASURE, "--collect-only")
    assert (result.ret, result.parseoutcomes()["tests"]) == (pytest.ExitCode.OK, 130)
    assert IN_PLACE in result.outlines
    assert "test_own" not in result.stdout.str()


@pytest.mark.parametrize("arguments", [(), ("tests",)])
def test_what_is_not_replaced_is_not_said_to_be(pytester: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    pytester.mkdir("tests")
    if arguments:
        pytester.makeini("[pytest]\ntestpaths = tests\n")
    result = pytester.runpytest_inprocess(*MEASURE, "--collect-only", *arguments)
    assert result.parseoutcomes()["tests"] == 130
    assert not any(line.startswith("mieb suite") for line in result.outlines)


@pytest.mark.parametrize(
    ("named", "tests"),
    [
        (["tests"], ["test_plain", "test_task", "test_model", "test_verdict"]),
        (["tests/test_own.py"], ["test_plain", "test_task", "test_model", "test_verdict"]),
        (["tests/", "more/test_own_too.py"], ["test_plain", "test_task", "test_model", "test_verdict", "test_too"]),
        (["."], ["test_too", "test_plain", "test_task", "test_model", "test_verdict"]),
        (["--pyargs", "json"], []),
    ],
)
@pytest.mark.parametrize("options", [(), ("-p", "no:cacheprovider"), ("--import-mode=importlib",)])
def test_beside_named_files_and_folders_the_suite_runs_too(
    project: pytest.Pytester, named: list[str], tests: list[str], options: tuple[str, ...]
) -> None:
    result = project.runpytest_inprocess(*LIST, *FEW, *options, *named)
    assert result.ret == pytest.ExitCode.OK
    ids = [line for line in result.outlines if "::test_mieb[" in line]
    assert ids == [f"test_mieb.py::test_mieb[{name}]" for name in CHOSEN]  # as where the suite runs alone
    assert own(result) == tests


@pytest.mark.parametrize("spelling", ["folder", "file", "folder and file", "relative", "link", "above", "package"])
def test_the_suite_that_is_named_itself_runs_once(project: pytest.Pytester, spelling: str) -> None:
    (project.path / "linked").symlink_to(SUITE.parent)
    above = str(SUITE.parents[1])
    named = {
        "folder": [str(SUITE.parent)],
        "file": [str(SUITE)],
        "folder and file": [str(SUITE), str(SUITE.parent)],
        "relative": [os.path.relpath(SUITE.parent, project.path)],
        "link": ["linked"],
        "above": [above, "--ignore", str(SUITE.parents[1] / "tests"), "--confcutdir", above],
        "package": ["--pyargs", "pytest_mieb"],
    }[spelling]
    result = project.runpytest_inprocess(*LIST, *FEW, *named)
    assert result.ret == pytest.ExitCode.OK
    assert collected(result) == CHOSEN


def test_the_suite_in_a_virtual_environment_below_a_named_folder_runs(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest takes its folder for a part of the named one, and passes over the environment."""
    installed = project.path / "venv/lib/pytest_mieb/tasks" / SUITE.name
    installed.parent.mkdir(parents=True)
    (project.path / "venv/pyvenv.cfg").touch()
    installed.write_bytes(SUITE.read_bytes())
    monkeypatch.setattr("pytest_mieb.plugin.collecting.SUITE", installed)
    result = project.runpytest_inprocess(*LIST, "-m", "clustering or not lite", "-k", "CIFAR10Clustering or own", ".")
    assert result.ret == pytest.ExitCode.OK
    assert collected(result) == ["CIFAR10Clustering"]
    assert "test_plain" in own(result)


def test_a_module_of_the_projects_may_have_the_suites_name(pytester: pytest.Pytester) -> None:
    pytester.mkdir("tests")
    pytester.makepyfile(**{"tests/test_mieb": "def test_own(): ..."})
    result = pytester.runpytest_inprocess(*LIST, *FEW, "tests")
    assert (result.ret, collected(result), own(result)) == (pytest.ExitCode.OK, CHOSEN, ["test_own"])


@pytest.mark.parametrize(
    ("named", "tests", "tasks"),
    [
        (["tests/test_own.py::test_verdict"], ["test_verdict"], []),
        (["tests/test_own.py::test_task[CIFAR10]"], ["test_task"], []),
        (["tests/test_own.py::test_task[CIFAR10]", "more"], ["test_task", "test_too"], []),
        (["tests/test_own.py::test_model"], ["test_model"], []),
        ([f"{SUITE}::test_mieb[STL10]"], [], ["STL10"]),
        ([f"{SUITE}::test_mieb[STL10]", "tests/test_own.py::test_plain"], ["test_plain"], ["STL10"]),
    ],
)
def test_of_single_tests_exactly_those_run_that_are_named(
    project: pytest.Pytester, named: list[str], tests: list[str], tasks: list[str]
) -> None:
    result = project.runpytest_inprocess(*LIST, *named)
    assert (result.ret, own(result), collected(result)) == (pytest.ExitCode.OK, tests, tasks)


REFUSAL = (
    "--mieb-model=miniature is given, but none of the selected tests asks for a MIEB task, so that nothing would be "
    "judged; the suite runs where no path is named and beside files and folders, not beside single tests (::), and "
    "-k, -m and --deselect have to leave some of it"
)


@pytest.mark.parametrize(
    "arguments",
    [
        ["tests/test_own.py::test_plain"],
        ["tests/test_own.py::test_plain", "more"],
        ["tests", "-k", "test_plain"],
        ["more", "-m", "not eng and not multilingual"],
        ["more", "--deselect=test_mieb.py"],
    ],
)
@pytest.mark.parametrize("options", [(), ("--collect-only",), ("-p", "no:cacheprovider")])
def test_a_gate_that_would_judge_nothing_is_one_usage_error(
    project: pytest.Pytester, arguments: list[str], options: tuple[str, ...]
) -> None:
    assert_refused(project.runpytest_inprocess(*MEASURE, *arguments, *options), REFUSAL)


@pytest.mark.parametrize(
    "arguments", [["-k", "NoSuchTask"], ["-m", "not eng and not multilingual"], ["tests", "-k", "NoSuchTask"]]
)
def test_a_selection_of_nothing_is_not_a_pass(project: pytest.Pytester, arguments: list[str]) -> None:
    assert project.runpytest_inprocess(*MEASURE, *arguments).ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_module_that_cannot_be_imported_is_told_by_pytest(project: pytest.Pytester) -> None:
    project.makepyfile(**{"tests/test_broken": "import no_such_module"})
    result = project.runpytest_inprocess(*MEASURE, "tests", "-k", "test_plain or test_broken")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*No module named 'no_such_module'*"])


def test_without_a_model_a_run_collects_what_it_always_did(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess("--collect-only", "-q")
    assert own(result) == ["test_plain", "test_task", "test_model", "test_verdict", "test_too"]
    assert not collected(result)


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
    assert [line.rpartition("::")[2] for line in result.outlines if "::test_own" in line] == [
        f"test_own[{name}]" for name, task in load_tasks().items() if task.category == "clustering"
    ]
