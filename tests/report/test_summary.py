"""The section at the end of a run, line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from pytest_mieb.gate.baseline import Baseline, Mark, TaskBaseline
from pytest_mieb.record import TaskRecord
from pytest_mieb.report.run import Run
from pytest_mieb.report.summary import command, summary_lines
from pytest_mieb.suite import load_tasks
from tests.builders import a_task

TASKS = {
    name: a_task(name=name, category=category, suites=suites)
    for name, category, suites in (
        ("Fashion", "retrieval", ("lite", "eng")),
        ("CIFAR10Clustering", "clustering", ("lite", "eng")),
        ("CIFAR100Clustering", "clustering", ("eng",)),
        ("XFlickr", "retrieval", ("lite", "multilingual")),
    )
}
LITE = [name for name, task in TASKS.items() if "lite" in task.suites]
BASELINE = Baseline(
    "exp6",
    "hub",
    tasks={
        "Fashion": TaskBaseline(0.5, 0.495),
        "CIFAR10Clustering": TaskBaseline(0.4, 0.395),
        "CIFAR100Clustering": TaskBaseline(0.2, 0.195),
        "XFlickr": TaskBaseline(0.3, 0.29, {"en": Mark(0.4, 0.38), "no": Mark(0.2, 0.18)}),
    },
)


def record(name: str, score: float, subsets: Mapping[str, float] | None = None) -> TaskRecord:
    subsets = subsets or {"default": score}
    return TaskRecord(name, "nmi", score, subsets, dict.fromkeys(subsets, 100), 1000, 200, 0.5)


def a_run(
    scores: Mapping[str, float],
    baseline: Baseline | None = BASELINE,
    args: Sequence[str] = ("--mieb-model=exp7", "-m", "lite"),
    **facts: object,
) -> Run:
    records = {name: record(name, score) for name, score in scores.items()}
    return Run(args=args, tasks=TASKS, baseline=baseline, records=records, **facts)  # type: ignore[arg-type]


def test_a_run_that_passed() -> None:
    run = a_run({"Fashion": 0.501, "CIFAR10Clustering": 0.4}, selected={"Fashion", "CIFAR10Clustering"})
    assert summary_lines(run) == [
        "category    tasks   mean  baseline  change",
        "retrieval       1  50.10     50.00   +0.10",
        "clustering      1  40.00     40.00    0.00",
        "",
        "Mean (en) of MIEB-lite: 45.05, baseline 45.00 (+0.05)",
        "Mean (m) of MIEB-lite: incomplete",
        "embedded 2,000 items, 400 taken from the store",
    ]


def test_a_run_that_regressed_starts_with_what_did_and_ends_with_the_next_command() -> None:
    run = a_run(
        {"Fashion": 0.6, "CIFAR10Clustering": 0.3, "CIFAR100Clustering": 0.1}, selected=set(TASKS) - {"XFlickr"}
    )
    lines = summary_lines(run)
    assert lines[:4] == [
        "regressed (2):",
        "  CIFAR10Clustering: 30.00 from 40.00 (-10.00)",
        "  CIFAR100Clustering: 10.00 from 20.00 (-10.00)",
        "",
    ]
    assert "improved (1): Fashion +10.00" in lines
    assert lines[-1] == ("next: pytest --mieb-model=exp7 -m lite -k 'CIFAR10Clustering or CIFAR100Clustering'")


def test_a_regression_in_one_language_is_named() -> None:
    run = a_run({}, selected={"XFlickr"})
    run.records["XFlickr"] = record("XFlickr", 0.3, {"en": 0.5, "no": 0.1})
    lines = summary_lines(run)
    assert lines[:2] == ["regressed (1):", "  XFlickr: 30.00 from 30.00 (0.00); in no"]
    assert lines[-1] == "next: pytest --mieb-model=exp7 -m lite -k XFlickr"


def test_errors_what_did_not_run_and_what_is_not_applicable() -> None:
    run = a_run(
        {"Fashion": 0.5},
        selected=set(TASKS),
        errors={"CIFAR10Clustering": "gated"},
        skipped={"XFlickr": "exp7 embeds no text"},
    )
    lines = summary_lines(run)
    assert lines[:4] == ["errors (1): CIFAR10Clustering", "", "did not run (1): CIFAR100Clustering", ""]
    assert lines[-4:] == [
        "Mean (m): incomplete",
        "not applicable (1): exp7 embeds no text",
        "embedded 1,000 items, 200 taken from the store",
        "next: pytest --mieb-model=exp7 -m lite -k 'CIFAR10Clustering or CIFAR100Clustering'",
    ]


def test_a_run_of_nothing_says_nothing() -> None:
    assert summary_lines(a_run({})) == []


def test_skipped_tasks_alone() -> None:
    run = a_run({}, selected={"Fashion", "XFlickr"}, skipped=dict.fromkeys(("Fashion", "XFlickr"), "no text"))
    assert summary_lines(run) == ["not applicable (2): no text"]


def test_a_task_without_a_baseline_has_none_in_the_table_and_is_in_the_next_command() -> None:
    partial = Baseline("exp6", "hub", tasks={"CIFAR10Clustering": BASELINE.tasks["CIFAR10Clustering"]})
    run = a_run({"CIFAR10Clustering": 0.4, "CIFAR100Clustering": 0.3}, partial)
    lines = summary_lines(run)
    assert lines[1] == "clustering      2  35.00         -       -"
    assert lines[-1].endswith(" -k CIFAR100Clustering")


def test_measuring_only_ends_with_the_command_that_records() -> None:
    run = a_run(dict.fromkeys(LITE, 0.5), None, ["--mieb-model=exp7", "--mieb-baseline=none", "-m", "lite"])
    lines = summary_lines(run)
    assert "Mean (m) of MIEB-lite: 50.00" in lines
    assert lines[-1] == (
        "next: pytest --mieb-model=exp7 -m lite --mieb-update   # to record these scores as the baseline"
    )


def test_recording_starts_with_what_changed() -> None:
    run = a_run({"Fashion": 0.5}, None, ["--mieb-model=exp7", "--mieb-update"], notes=["recorded 1 tasks in x.yaml"])
    lines = summary_lines(run)
    assert lines[0] == "recorded 1 tasks in x.yaml"
    assert not lines[-1].startswith("next:")


def test_the_means_are_of_the_whole_suite_where_all_of_it_was_selected() -> None:
    run = a_run(dict.fromkeys(TASKS, 0.5), selected=set(TASKS))
    lines = summary_lines(run)
    # Baseline: retrieval 50, clustering (40 + 20) / 2, retrieval (multilingual) 30.
    assert "Mean (en): 50.00, baseline 40.00 (+10.00)" in lines
    assert "Mean (m): 50.00, baseline 36.67 (+13.33)" in lines


def test_a_task_of_ones_own_has_no_part_in_the_means() -> None:
    tasks = {"Mine": a_task(name="Mine", suites=())}
    run = Run(args=[], tasks=tasks, baseline=None, records={"Mine": record("Mine", 0.5)}, selected={"Mine"})
    assert not [line for line in summary_lines(run) if line.startswith("Mean")]


def test_long_lists_are_cut() -> None:
    names = list(load_tasks())
    run = Run(args=[], tasks=load_tasks(), baseline=None, errors=dict.fromkeys(names[:23], "gated"), selected=set())
    assert summary_lines(run)[0].startswith("errors (23): ")
    assert summary_lines(run)[0].endswith(" and 3 more")


@pytest.mark.parametrize(
    ("args", "drop", "expected"),
    [
        (["-m", "lite", "-n", "8"], ["-k"], "pytest -m lite -n 8"),
        (["-k", "A or B", "-x"], ["-k"], "pytest -x"),
        (["-kA", "-x"], ["-k"], "pytest -x"),
        (["-k=A", "-x"], ["-k"], "pytest -x"),
        (["--mieb-update", "-k", "A"], ["-k", "--mieb-update"], "pytest"),
        (["--mieb-baseline", "none", "-k", "A"], ["--mieb-baseline"], "pytest -k A"),
        (["--mieb-baseline=none"], ["--mieb-baseline"], "pytest"),
        (["-m", "clustering or visual_sts"], ["-k"], "pytest -m 'clustering or visual_sts'"),
    ],
)
def test_the_command_of_a_run_is_ready_to_be_pasted(args: list[str], drop: list[str], expected: str) -> None:
    assert command(args, drop) == expected
