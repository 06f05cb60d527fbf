"""Record, pass, regress, record in part: what a run decides, from the command line to the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from pytest_mieb.embedding.inventory import Label, inventory, remove
from pytest_mieb.embedding.shared import located
from pytest_mieb.support.seconds import STAGES
from tests.plugin.running import SOUND, Toys, assert_no_traceback, header, run, summary
from tests.plugin.toy import MEAN, TASKS

Ran = tuple[Toys, pytest.RunResult]

HALF = "95 % confidence interval of the drop 37.28 to 62.72"
REGRESSED = ("ToyLanguages", "ToyShades", "ToyZeroShot", "ToyChoice")


def test_recording_writes_a_baseline_of_every_score(recorded: Ran) -> None:
    here, result = recorded
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=8, deselected=130, warnings=0)
    assert f"baseline being recorded in {here.baseline}" in header(result)
    baseline = yaml.safe_load(here.baseline.read_text(encoding="utf-8"))
    scores = {name: content["score"] for name, content in here.results().contents.items()}
    assert {name: mark["score"] for name, mark in baseline["tasks"].items()} == pytest.approx(scores, abs=1e-6)
    assert set(scores) == set(TASKS)
    assert list(baseline["tasks"]["ToyLanguages"]["subsets"]) == ["en", "de", "fr"]
    assert baseline["model"] == "toymodels:sound"
    assert baseline["data"] == "hub"
    (context,) = baseline["runs"].values()
    assert (context["fingerprint"], context["device"], context["batch_size"]) == ("toy-sound", "cpu", 64)
    assert {"python", "torch", "pytest-mieb"} <= set(context["versions"])
    assert {mark["run"] for mark in baseline["tasks"].values()} == set(baseline["runs"])


def test_the_result_files_hold_what_a_later_reader_needs(recorded: Ran) -> None:
    here, result = recorded
    contents, arrays = here.results()
    assert set(contents) == set(arrays) == set(TASKS)
    for name, content in contents.items():
        assert content["task"] == name
        assert (content["model"], content["model_revision"]) == ("toymodels:sound", None)
        assert content["context"]["fingerprint"] == "toy-sound"
        assert (content["data"], content["dataset_revision"]) == (str(here.mirror), "main")
        assert content["dataset"].startswith("toy/")
        assert content["score"] == pytest.approx(sum(content["subsets"].values()) / len(content["subsets"]))
        for subset, metrics in content["metrics"].items():
            assert metrics[content["metric"]] == content["subsets"][subset]
            assert content["counts"]["examples"][subset] == len(arrays[name][f"{subset}.outcomes"])
        assert set(content["seconds"]) == {*STAGES, "waited_load", "waited_read", "total"}
        assert {"python", "pytest-mieb", "torch", "datasets", "numpy"} <= set(content["context"]["versions"])
    assert contents["ToyProbe"]["counts"]["rows"] == {"default": {"test": 64, "train": 48}}
    embedded, reused = (sum(content["work"][kind] for content in contents.values()) for kind in ("embedded", "reused"))
    assert f"{embedded} items were embedded, {reused} were taken from the store" in summary(result)
    assert not list(here.folder.rglob("*.tmp"))


def test_recording_says_what_is_new(recorded: Ran) -> None:
    here, result = recorded
    lines = summary(result)
    assert [line.split(":")[0].strip() for line in lines if ": new, " in line] == list(TASKS)
    assert f"recorded 8 tasks in {here.baseline}" in lines


def test_a_damaged_model_fails_the_tasks_and_the_mean_that_it_lost(damaged: Ran) -> None:
    here, result = damaged
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    failed = [line.split()[1] for line in result.outlines if line.startswith("FAILED ")]
    assert failed == [*(f"test_mieb.py::test_mieb[{name}]" for name in REGRESSED), f"mieb::{MEAN}"]
    # Three languages beside their task, and the mean.
    result.assert_outcomes(passed=4, failed=len(REGRESSED) + 4, deselected=130)
    assert here.verdict("swapped_channels")["state"] == "regressed"


def test_a_failure_says_score_baseline_difference_tolerance_reason_and_remedy(damaged: Ran) -> None:
    _, result = damaged
    place = result.outlines.index("ToyZeroShot regressed: accuracy 50.00, baseline 100.00 (-50.00), tolerance 0.50")
    assert result.outlines[place + 1 : place + 4] == [
        "the drop is 50.00 points, with a 95 % confidence interval of 37.28 to 62.72",
        "the test on 64 paired examples gives p = 2.3e-10, which is significant at 0.0031",
        "if the drop is intended, record it with --mieb-update",
    ]
    sentence = f"{MEAN} regressed: mean of 2 tasks 50.00, baseline 100.00 (-50.00), tolerance 0.25"
    place = result.outlines.index(sentence)
    assert result.outlines[place + 1] == "the drop is 50.00 points, with a 95 % confidence interval of 37.28 to 62.72"
    assert result.outlines[place + 2].startswith("the test on 128 paired examples gives p = 6.6e-15, ")
    start = next(place for place, line in enumerate(result.outlines) if line.strip("= ") == "FAILURES")
    assert_no_traceback(result.outlines[start : result.outlines.index(summary(result)[0])])


def test_every_language_is_a_subtest(damaged: Ran) -> None:
    _, result = damaged
    subtests = [line for line in result.outlines if line.startswith("SUBFAILED")]
    assert [line.split("]")[0] for line in subtests] == ["SUBFAILED[en", "SUBFAILED[de", "SUBFAILED[fr"]
    assert "languages='deu-Latn'" in subtests[1]
    result.stdout.fnmatch_lines(["ToyLanguages [[]de[]] regressed: hit_rate_at_1 12.50, baseline 100.00 *"])


def test_the_summary_starts_with_the_regressions_and_ends_with_the_next_command(damaged: Ran) -> None:
    _, result = damaged
    lines = [line for line in summary(result) if line]
    assert lines[:7] == [
        "regressed (5):",
        f"  {MEAN}, 2 tasks: 50.00, baseline 100.00 (-50.00), {HALF}, p = 6.6e-15",
        "  ToyLanguages: 12.50, baseline 100.00 (-87.50), 95 % confidence interval of the drop 79.34 to 95.66, p < "
        "1e-15; 3 of 3 languages regressed: en 12.50, baseline 100.00 (-87.50); de 12.50, baseline 100.00 (-87.50); fr "
        "12.50, baseline 100.00 (-87.50)",
        f"  ToyShades: 50.00, baseline 100.00 (-50.00), {HALF}, p = 2.3e-10",
        f"  ToyZeroShot: 50.00, baseline 100.00 (-50.00), {HALF}, p = 2.3e-10",
        "  ToyChoice: 37.50, baseline 100.00 (-62.50), 95 % confidence interval of the drop 41.10 to 83.90, "
        "p = 3.1e-05",
        "suspect, worse alone, but not after correcting for 12 comparisons (1): ToyPairs -25.00",
    ]
    assert lines[7].split() == ["category", "tasks", "mean", "baseline", "change", "detectable"]
    assert [MEAN, "2", "50.00", "100.00", "-50.00"] in [line.split()[:5] for line in lines]
    (basis,) = (line for line in lines if line.startswith("the verdict rests on "))
    assert basis.partition("(")[2].startswith("8 tasks, 3 languages, 1 mean); the smallest detectable drop of a task ")
    assert lines[-1].startswith("next: pytest --mieb-model=toymodels:swapped_channels ")
    assert lines[-1].endswith(f"-k '{' or '.join(REGRESSED)}'")
    assert "-k Toy" not in lines[-1]


def test_junit_counts_regressions_as_failures_and_says_which_task_or_mean(damaged: Ran) -> None:
    here, _ = damaged
    (suite,) = ElementTree.parse(here.folder / "junit.xml").getroot()
    assert (suite.get("errors"), suite.get("failures")) == ("0", "8")
    assert here.junit() == {
        **{f"test_mieb::test_mieb[{name}]": "failure" if name in REGRESSED else "passed" for name in TASKS},
        f"mieb::{MEAN}": "failure",
    }
    found = {case.get("name"): case.find("failure") for case in suite.iter("testcase")}
    failures = {name: failure for name, failure in found.items() if failure is not None}
    assert "regressed: accuracy 50.00" in failures["test_mieb[ToyZeroShot]"].get("message", "")
    assert "mean of 2 tasks 50.00" in (failures[MEAN].text or "")


def test_junit_has_a_few_facts_of_each_task_and_nothing_else(damaged: Ran) -> None:
    here, _ = damaged
    (suite,) = ElementTree.parse(here.folder / "junit.xml").getroot()
    facts = {
        case.get("name"): {each.get("name"): each.get("value") for each in case.iter("property")}
        for case in suite.iter("testcase")
    }
    assert facts["test_mieb[ToyZeroShot]"] == {
        "mieb_task": "ToyZeroShot",
        "mieb_metric": "accuracy",
        "mieb_score": "50.00",
        "mieb_baseline": "100.00",
        "mieb_status": "regressed",
    }
    assert set(map(len, facts.values())) == {0, 5}


def test_a_second_run_passes_against_the_baseline_and_embeds_nothing(recorded: Ran, toys: Toys) -> None:
    """All durable settings come from the configuration file here, which lies above the folder of the run."""
    here, _ = recorded
    again = toys.at(
        toys.mirror.parent / "again",
        f"""\
mieb_data = {toys.mirror}
mieb_tasks =
    ../{toys.cards.name}
    {toys.broken_cards}
mieb_cache = {toys.cache}
mieb_baseline = {here.baseline}
mieb_results = elsewhere
mieb_device = cpu
mieb_dtype = float32
mieb_batch_size = 64
mieb_trust_remote_code = false
""",
    )
    below = again.folder / "below"
    below.mkdir()
    result = run(below, "--mieb-model=toymodels:sound", "-k", "Toy and not ToyNo", "-v")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=9, deselected=132)  # the mean is one of them
    assert f"data {toys.mirror}, baseline toymodels:sound, device cpu" in header(result)
    lines = summary(result)
    assert "0 items were embedded, 622 were taken from the store" in lines
    assert not any("taken over" in line for line in lines)  # this one names its dtype, which is another context
    assert {line.split()[-1] for line in lines if len(line.split()) == 5} == {"change", "0.00"}
    assert not any(line.startswith(("regressed", "next")) for line in lines)
    before = here.results().contents
    for name in TASKS:
        content = json.loads((again.folder / "elsewhere" / SOUND / f"{name}.json").read_text(encoding="utf-8"))
        assert content["score"] == before[name]["score"]
        assert content["metrics"] == before[name]["metrics"]


def test_one_language_lost_names_that_language_and_a_stopped_run_what_is_left(recorded: Ran) -> None:
    here, _ = recorded
    result = here.run("without_german", f"--mieb-baseline={here.baseline}", "-x")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert [line.split("]")[0] for line in result.outlines if line.startswith("SUBFAILED")] == ["SUBFAILED[de"]
    lines = summary(result)
    german = "1 of 3 languages regressed: de 4.17, baseline 100.00 (-95.83)"
    assert (
        "  ToyLanguages: 68.06, baseline 100.00 (-31.94), 95 % confidence interval of the drop 28.12 to 35.77, "
        f"p = 1.2e-07; {german}"
    ) in lines
    assert f"did not run (7): {', '.join(TASKS[1:])}" in lines
    assert (
        f"ERROR mieb::{MEAN} - {MEAN} is incomplete, because 2 of 2 tasks have no verdict: ToyShades, ToyZeroShot"
        in (result.outlines)
    )
    assert here.verdict("without_german")["incomplete"] == dict.fromkeys(TASKS[1:], "did not run")
    assert lines[-1].endswith(f"-k '{' or '.join(TASKS)}'")


def test_a_language_that_regresses_alone_fails_its_task_by_name(recorded: Ran) -> None:
    """The task may lose 40 points, which are 80 of a language; German loses 96 and the mean 32."""
    here, _ = recorded
    options = [f"--mieb-baseline={here.baseline}", "--mieb-tolerance=ToyLanguages=40", "--junitxml=junit.xml"]
    result = here.run("without_german", *options, "-k", "ToyLanguages")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    german = "de 4.17, baseline 100.00 (-95.83)"
    said = f"ToyLanguages regressed in 1 of 3 languages: {german}"
    place = result.outlines.index(said)
    assert result.outlines[place + 1] == (
        "their mean did not regress: hit_rate_at_1 68.06, baseline 100.00 (-31.94), tolerance 40.00"
    )
    assert f"FAILED test_mieb.py::test_mieb[ToyLanguages] - Failed: {said}" in result.outlines
    assert any(line.endswith(f"; 1 of 3 languages regressed: {german}") for line in summary(result))
    assert summary(result)[-1].endswith("-k ToyLanguages")
    task = here.verdict("without_german")["tasks"]["ToyLanguages"]
    (language,) = task["languages"]
    assert (task["status"], language["language"], language["status"]) == ("passed", "de", "regressed")
    assert (language["score"], language["baseline"]) == pytest.approx((1 / 24, 1.0))
    (case,) = ElementTree.parse(here.folder / "junit.xml").getroot().iter("testcase")
    assert any(str(failure.get("message")).startswith(f"Failed: {said}") for failure in case.findall("failure"))


def test_a_finished_task_is_taken_over_until_something_changes_or_all_is_asked_for_again(
    apart: Toys, tmp_path: Path
) -> None:
    """In a cache of its own: which tasks others finished is not known here."""

    def work(*options: str) -> list[str]:
        result = apart.run("sound", f"--mieb-cache={tmp_path / 'cache'}", "-k", "ToyShades or ToyPairs", *options)
        assert result.ret == pytest.ExitCode.OK
        return [line for line in summary(result) if "items were embedded" in line or "taken over" in line]

    def over(count: int) -> list[str]:
        why = "because nothing has changed; --mieb-fresh scores all again"
        said = f"{count} of 2 tasks were taken over from an earlier run, {why}"
        return [said] if count else []

    first, *more = work("--mieb-baseline=toymodels__sound")
    assert not first.startswith("0 items") and more == over(0)
    scores = apart.results().contents
    assert work("--mieb-baseline=toymodels__sound")[1:] == over(2)
    cache = located(str(tmp_path / "cache"))
    (holding,) = inventory(cache)
    assert holding.label == Label("toymodels:sound", 64)
    assert first.startswith(f"{holding.n_items} items were embedded")
    assert len(list(Path(holding.folder, "finished").iterdir())) == 2
    assert {name: own["score"] for name, own in apart.results().contents.items()} == {
        name: own["score"] for name, own in scores.items()
    }
    assert work("--mieb-baseline=toymodels__sound", "--mieb-batch-size=32")[1:] == over(0)
    assert work("--mieb-baseline=toymodels__sound", "--mieb-calibrate=1")[1:] == over(0)
    assert work("--mieb-baseline=toymodels__sound", "--mieb-fresh") == [first]
    for each in inventory(cache):
        remove(cache, each)
    assert work("--mieb-baseline=toymodels__sound") == [first]
