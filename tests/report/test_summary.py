"""The section at the end of a run, line by line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_mieb.measurement.baseline import Baseline, Measurement
from pytest_mieb.models.description import Description
from pytest_mieb.report.run import Run
from pytest_mieb.report.summary import summary_lines
from pytest_mieb.report.view import of_run
from pytest_mieb.suite.cards import load_tasks
from tests.builders import a_task
from tests.report.builders import BASELINE, LITE, TASKS, UNTIL, a_comparison, a_pair, a_record, a_run

TEN = "95 % confidence interval of the drop 8.04 to 11.96"


def section_of(run: Run) -> list[str]:
    return summary_lines(of_run(run))


def test_a_run_that_passed() -> None:
    run = a_run({"Fashion": 0.501, "CIFAR10Clustering": 0.4})
    assert section_of(run) == [
        "category    tasks   mean  baseline  change  detectable",
        "retrieval       1  50.10     50.00   +0.10        9.73",
        "clustering      1  40.00     40.00    0.00           -",
        "",
        "Mean (en) of MIEB-lite: 45.05, baseline 45.00 (+0.05); the smallest detectable drop is 1.48",
        "Mean (m) of MIEB-lite: incomplete",
        "the verdict rests on significance tests with a family-wise error rate of 5 % (2 tasks, 1 mean); the smallest "
        "detectable drop of a task is 9.73",
        "2,000 items were embedded, 400 were taken from the store",
        "the tasks took 1.0 s: the model 60 %, other work 40 %",
        "the slowest tasks: Fashion 0.5 s, CIFAR10Clustering 0.5 s",
    ]


def test_where_no_outcome_differs_there_is_no_smallest_drop() -> None:
    lines = section_of(a_run({"Fashion": 0.5, "CIFAR10Clustering": 0.4}))
    assert lines[0].split()[-1] == "change"
    assert "Mean (en) of MIEB-lite: 45.00, baseline 45.00 (0.00)" in lines
    assert any(line.endswith("because no outcome differs from the baseline's") for line in lines)


def test_a_run_that_regressed_starts_with_what_did_and_ends_with_the_next_command() -> None:
    run = a_run({"Fashion": 0.6, "CIFAR10Clustering": 0.3, "CIFAR100Clustering": 0.1})
    lines = section_of(run)
    assert lines[:5] == [
        "regressed (3):",
        f"  clustering, 2 tasks: 20.00, baseline 30.00 (-10.00), {TEN}, p < 1e-15",
        f"  CIFAR10Clustering: 30.00, baseline 40.00 (-10.00), {TEN}, p = 1e-09",
        f"  CIFAR100Clustering: 10.00, baseline 20.00 (-10.00), {TEN}, p = 1e-09",
        "",
    ]
    assert "improved (1): Fashion +10.00" in lines
    assert lines[-1] == ("next: pytest --mieb-model=exp7 -m lite -k 'CIFAR10Clustering or CIFAR100Clustering'")


def test_where_no_error_is_known_there_is_a_sentence_in_place_of_p() -> None:
    unknown = a_comparison("Fashion", 0.3, 0.5)
    unknown = replace(unknown, difference=replace(unknown.difference, standard_error=0.0, p_drop=0.0, p_gain=1.0))
    lines = section_of(a_run({"Fashion": 0.3}, comparisons={"Fashion": unknown}))
    assert lines[1] == "  Fashion: 30.00, baseline 50.00 (-20.00), no sampling error is known"


_OF_NO = "  XFlickr: 30.00, baseline 30.00 (0.00), p = 1; 1 of 2 languages regressed: no 10.00, baseline 20.00 (-10.00)"


def test_a_clustering_says_what_its_fits_lost_beside_its_score() -> None:
    of_fits = a_comparison("CIFAR10Clustering", 0.35, 0.4)
    lost, kept = (
        replace(of_fits, difference=replace(of_fits.difference, drop=drop, p_drop=p, fits=16, before=0.5))
        for drop, p in ((0.02, 1e-9), (0.001, 0.4))
    )
    lines = section_of(a_run({"CIFAR10Clustering": 0.35}, comparisons={"CIFAR10Clustering": lost}))
    assert (
        "  CIFAR10Clustering: 35.00, baseline 40.00 (-5.00), mean over 16 fits -2.00, 95 % confidence interval"
        in lines[1]
    )
    lines = section_of(a_run({"CIFAR10Clustering": 0.35}, comparisons={"CIFAR10Clustering": kept}))
    assert not any(line.startswith("regressed") for line in lines)
    told = (
        "clustering is judged by fits with matched initial centres, not by its score: CIFAR10Clustering -5.00, over "
        "its fits -0.10"
    )
    assert told in lines


def test_a_regression_in_one_language_is_named() -> None:
    lost = a_comparison("XFlickr", 0.3, 0.3, subsets={"en": a_pair(0.5, 0.4), "no": a_pair(0.1, 0.2)})
    lines = section_of(a_run({"XFlickr": 0.3}, comparisons={"XFlickr": lost}))
    assert lines[:2] == ["regressed (1):", _OF_NO]
    assert any("(1 task, 2 languages)" in line for line in lines)
    assert lines[-1] == "next: pytest --mieb-model=exp7 -m lite -k XFlickr"


def test_where_only_the_mean_of_the_languages_regressed_the_one_that_lost_most_is_named() -> None:
    pairs = {"en": a_pair(0.28, 0.4, 0.4), "no": a_pair(0.2, 0.2)}
    lost = a_comparison("XFlickr", 0.24, 0.3, subsets=pairs)
    lines = section_of(a_run({"XFlickr": 0.24}, comparisons={"XFlickr": lost}))
    assert lines[1].endswith(
        "; no single language regressed; most of the drop comes from en 28.00, baseline 40.00 (-12.00)"
    )


def test_a_regression_found_only_beside_the_others_says_how() -> None:
    """Of two tasks, at half of 5 % for tasks: 0.0125 is too little by itself, but the first leaves 0.025 to it."""
    p = {"CIFAR10Clustering": 1e-9, "CIFAR100Clustering": 0.02}
    lines = section_of(a_run({"CIFAR10Clustering": 0.3, "CIFAR100Clustering": 0.1}, p=p))
    assert f"  CIFAR10Clustering: 30.00, baseline 40.00 (-10.00), {TEN}, p = 1e-09" in lines
    assert (
        f"  CIFAR100Clustering: 10.00, baseline 20.00 (-10.00), {TEN}, p = 0.02, significant by Holm's procedure"
        in lines
    )


def test_what_is_worse_by_itself_but_not_among_so_many_is_listed_and_passes() -> None:
    """Neither task can be told from chance; their mean can, but for the correction."""
    p = dict.fromkeys(("CIFAR10Clustering", "CIFAR100Clustering"), 0.04)
    run = a_run({"CIFAR10Clustering": 0.38, "CIFAR100Clustering": 0.18, "Fashion": 0.5}, p=p)
    lines = section_of(run)
    suspects = next(line for line in lines if line.startswith("suspect"))
    assert suspects.endswith("CIFAR10Clustering -2.00, CIFAR100Clustering -2.00")
    assert not lines[-1].startswith("next")


def test_means_that_improved_are_listed_before_the_tasks() -> None:
    lines = section_of(a_run({"CIFAR10Clustering": 0.5, "CIFAR100Clustering": 0.2, "Fashion": 0.5}))
    assert "improved (3): clustering +5.00, Mean (en) +2.50, CIFAR10Clustering +10.00" in lines


def test_an_accepted_regression_is_told_after_the_others_with_its_day_and_reason() -> None:
    own = {
        "Fashion": a_comparison("Fashion", 0.3, 0.5),
        "CIFAR10Clustering": a_comparison("CIFAR10Clustering", 0.3, 0.4, accepted=UNTIL),
        "CIFAR100Clustering": a_comparison("CIFAR100Clustering", 0.2, 0.2),
        "XFlickr": a_comparison("XFlickr", 0.3, 0.3, accepted=UNTIL, subsets={"no": a_pair(0.1, 0.2)}),
    }
    scores = {name: each.score for name, each in own.items()}
    lines = section_of(a_run(scores, comparisons=own))
    mean = next(line for line in lines if line.startswith("  Mean (en), 3 tasks: "))
    assert mean.endswith("; CIFAR10Clustering counts as unchanged, because its drop is accepted")
    place = lines.index("accepted (3):")
    assert lines[place + 1 : place + 5] == [
        "  clustering, 2 tasks: 25.00, baseline 30.00 (-5.00); CIFAR10Clustering counts as unchanged, because its drop "
        "is accepted",
        f"  CIFAR10Clustering: 30.00, baseline 40.00 (-10.00), {TEN}, p = 1e-09; "
        "the regression is accepted until 2027-03-01: a new tokenizer",
        "  XFlickr: 30.00, baseline 30.00 (0.00), p = 1; 1 of 1 language regressed: no 10.00, baseline 20.00 (-10.00); "
        "the regression is accepted until 2027-03-01: a new tokenizer",
        "",
    ]
    assert lines[-1] == "next: pytest --mieb-model=exp7 -m lite -k Fashion"


def test_an_acceptance_that_ended_stands_among_the_regressions() -> None:
    ended = a_comparison("Fashion", 0.3, 0.5, accepted=replace(UNTIL, ended=True))
    lines = section_of(a_run({"Fashion": 0.3}, comparisons={"Fashion": ended}))
    assert lines[0] == "regressed (1):"
    assert lines[1].endswith(", p = 1e-09; its acceptance ended on 2027-03-01")


def test_an_accepted_regression_that_is_gone_is_told() -> None:
    gone = a_comparison("Fashion", 0.5, 0.5, accepted=UNTIL)
    assert section_of(a_run({"Fashion": 0.5}, comparisons={"Fashion": gone}))[0] == (
        "  Fashion: the regression that was accepted until 2027-03-01 (a new tokenizer) is gone; remove `accepted` "
        "from the baseline"
    )


def test_a_change_of_preprocessing_comes_before_all_else() -> None:
    change = "preprocessing differs from the baseline's: size 224 -> 336"
    lost = a_comparison("Fashion", 0.3, 0.5, preprocessing=change)
    assert section_of(a_run({"Fashion": 0.3}, comparisons={"Fashion": lost}))[:2] == [change, "regressed (1):"]


def test_what_has_no_verdict_and_what_is_not_applicable() -> None:
    run = a_run(
        {"Fashion": 0.5},
        selected=set(TASKS),
        errors={"CIFAR10Clustering": "gated"},
        skipped={"XFlickr": "exp7 embeds no text"},
    )
    lines = section_of(run)
    assert lines[:6] == [
        "errors (1): CIFAR10Clustering",
        "",
        "did not run (1): CIFAR100Clustering",
        "",
        "in the baseline, but not applicable now (1): XFlickr",
        "",
    ]
    assert lines[-7:] == [
        "Mean (m): incomplete",
        "not applicable (1): XFlickr: exp7 embeds no text",
        "the verdict rests on significance tests with a family-wise error rate of 5 % (4 tasks, 2 languages, 3 means); "
        "no smallest detectable drop can be given, because no outcome differs from the baseline's",
        "1,000 items were embedded, 200 were taken from the store",
        "the tasks took 0.5 s: the model 60 %, other work 40 %",
        "the slowest tasks: Fashion 0.5 s",
        "next: pytest --mieb-model=exp7 -m lite -k 'CIFAR10Clustering or CIFAR100Clustering'",
    ]


def test_without_a_baseline_only_errors_have_no_verdict() -> None:
    run = a_run(
        {"Fashion": 0.5}, None, selected={"Fashion", "XFlickr", "CIFAR10Clustering"}, errors={"XFlickr": "gated"}
    )
    assert section_of(run)[0] == "errors (1): XFlickr"
    assert not any(line.startswith("the verdict") for line in section_of(run))


def test_a_run_of_nothing_says_nothing() -> None:
    assert section_of(a_run({})) == []


def test_skipped_tasks_alone() -> None:
    skipped = dict.fromkeys(("Fashion", "XFlickr"), "no text")
    assert section_of(a_run({}, None, selected=set(skipped), skipped=skipped)) == [
        "not applicable (2): Fashion, XFlickr: no text"
    ]


def test_a_task_without_a_baseline_has_none_in_the_table_and_is_in_the_next_command() -> None:
    partial = Baseline("exp6", "hub", tasks={"CIFAR10Clustering": BASELINE.tasks["CIFAR10Clustering"]})
    lacking = {"CIFAR100Clustering": "CIFAR100Clustering: no baseline in exp6"}
    lines = section_of(a_run({"CIFAR10Clustering": 0.4, "CIFAR100Clustering": 0.3}, partial, errors=lacking))
    assert lines[0] == "errors (1): CIFAR100Clustering"
    assert "clustering      2  35.00         -       -" in lines
    assert lines[-1].endswith(" -k CIFAR100Clustering")


def test_a_task_that_does_not_compare_with_its_baseline_has_no_change() -> None:
    run = a_run({"Fashion": 0.6}, errors={"Fashion": "Fashion: scored 1.00, while its outcomes make up 50.00"})
    assert ["retrieval", "1", "60.00", "-", "-"] in [line.split()[:5] for line in section_of(run)]


def test_measuring_only_ends_with_the_command_that_records() -> None:
    run = a_run(dict.fromkeys(LITE, 0.5), None, ["--mieb-model=exp7", "--mieb-baseline=none", "-m", "lite"])
    lines = section_of(run)
    assert "Mean (m) of MIEB-lite: 50.00" in lines
    assert lines[-1] == (
        "next: pytest --mieb-model=exp7 -m lite --mieb-update   # to record these scores as the baseline"
    )


def test_recording_starts_with_what_changed() -> None:
    run = a_run({"Fashion": 0.5}, None, ["--mieb-model=exp7", "--mieb-update"], notes=["recorded 1 task in x.yaml"])
    lines = section_of(run)
    assert lines[0] == "recorded 1 task in x.yaml"
    assert not lines[-1].startswith("next:")


def test_the_means_are_of_the_whole_suite_where_all_of_it_was_selected() -> None:
    lines = section_of(a_run(dict.fromkeys(TASKS, 0.5)))
    # Baseline: retrieval 50, clustering (40 + 20) / 2, retrieval (multilingual) 30.
    assert any(line.startswith("Mean (en): 50.00, baseline 40.00 (+10.00)") for line in lines)
    assert any(line.startswith("Mean (m): 50.00, baseline 36.67 (+13.33)") for line in lines)


def test_a_task_of_ones_own_has_no_part_in_the_means() -> None:
    tasks = {"Mine": a_task(name="Mine", suites=())}
    run = Run(args=[], tasks=tasks, baseline=None, records={"Mine": a_record("Mine", 0.5)}, selected={"Mine"})
    assert not [line for line in section_of(run) if line.startswith("Mean")]


def test_long_lists_are_cut() -> None:
    names = list(load_tasks())
    run = Run(args=[], tasks=load_tasks(), baseline=None, errors=dict.fromkeys(names[:23], "gated"), selected=set())
    assert section_of(run)[0].startswith("errors (23): ")
    assert section_of(run)[0].endswith(" and 3 more")
    assert section_of(run)[-1].endswith(f"{names[19]}'   # the first 20 of 23")


def test_a_warning_of_many_tasks_is_one_line() -> None:
    warned = {
        name: a_comparison(name, score, score, warnings=("the device is cpu, the baseline's was mps",))
        for name, score in (("Fashion", 0.5), ("CIFAR10Clustering", 0.4))
    }
    lines = section_of(a_run({"Fashion": 0.5, "CIFAR10Clustering": 0.4}, comparisons=warned))
    assert lines.count("warning: the device is cpu, the baseline's was mps") == 1


def test_published_scores_are_indicative_and_some_cannot_be_compared() -> None:
    published = replace(
        BASELINE, indicative=True, unusable={"XFlickr": "older rows", "CIFAR100Clustering": "older rows"}
    )
    scores = {"Fashion": 0.5, "XFlickr": 0.3}
    run = a_run(scores, published)
    del run.comparisons["XFlickr"]
    run.decide()
    lines = section_of(run)
    assert any(line.startswith("the verdict is indicative: the scores of exp6 were published") for line in lines)
    assert "not compared (1): XFlickr: older rows" in lines  # the other one was not selected
    assert not any(line.startswith(("errors", "did not run", "next")) for line in lines)


@pytest.mark.parametrize("published_data", [True, False])
def test_ranks_are_those_of_scores_on_published_data(published_data: bool) -> None:
    names = [name for name, task in load_tasks().items() if "lite" in task.suites]
    records = {name: a_record(name, 0.9) for name in names}
    run = Run([], load_tasks(), None, published_data=published_data, records=records, selected=set(names))
    ranks = [line for line in section_of(run) if "rank" in line]
    assert bool(ranks) is published_data
    assert not ranks or ranks[0].endswith("Mean (m) 1, Mean (en) 1, Borda 1")


def test_scores_of_a_part_have_no_rank_and_are_told() -> None:
    names = [name for name, task in load_tasks().items() if "lite" in task.suites]
    records = {name: a_record(name, 0.9) for name in names}
    records[names[0]] = replace(records[names[0]], measured=Measurement(0.9, part="30 of 40 rows"))
    run = Run([], load_tasks(), None, published_data=True, records=records, selected=set(names))
    lines = section_of(run)
    assert f"measured on a part of the data (1): {names[0]}" in lines
    (ranks,) = (line for line in lines if "rank" in line)
    assert "Mean" not in ranks


def test_data_that_does_not_fit_is_told_by_task() -> None:
    run = a_run({"Fashion": 0.501, "CIFAR10Clustering": 0.4})
    run.records["Fashion"] = replace(run.records["Fashion"], findings=("1 of 2 keys fit no lock",))
    assert "part of the data does not fit, see the warnings or the result files (1): Fashion" in section_of(run)


def test_what_was_loaded_is_said_at_the_end_where_it_can_be_copied() -> None:
    model = Description("clip", "CLIPModel", "f00d", 8, "float32", {"size": 224}, ("a guess",))
    lines = section_of(a_run({"Fashion": 0.5}, None, model=model))
    place = lines.index("model: clip (CLIPModel) f00d, dimension 8, float32; size 224")
    assert lines[place + 1] == "warning: a guess"
