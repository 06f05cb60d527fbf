"""Record, pass, regress, record in part: what a run decides, from the command line to the exit code."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
import yaml

from tests.plugin.running import SOUND, Toys, assert_no_traceback, header, run, summary
from tests.plugin.toy import TASKS

Ran = tuple[Toys, pytest.RunResult]

REGRESSED = ("ToyLanguages", "ToyZeroShot", "ToyPairs", "ToyChoice")


def test_recording_writes_a_baseline_of_every_score(recorded: Ran) -> None:
    here, result = recorded
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=7, deselected=130, warnings=0)
    assert f"baseline being recorded in {here.baseline}" in header(result)
    baseline = yaml.safe_load(here.baseline.read_text(encoding="utf-8"))
    scores = {name: content["score"] for name, content in here.results().contents.items()}
    assert {name: mark["score"] for name, mark in baseline["tasks"].items()} == pytest.approx(scores, abs=1e-6)
    assert set(scores) == set(TASKS)
    assert list(baseline["tasks"]["ToyLanguages"]["subsets"]) == ["en", "de", "fr"]
    assert baseline["model"] == "toymodels:sound"
    assert baseline["data"] == "hub"
    assert {"python", "torch", "pytest-mieb"} <= set(baseline["versions"])


def test_the_result_files_hold_what_a_later_reader_needs(recorded: Ran) -> None:
    here, result = recorded
    contents, arrays = here.results()
    assert set(contents) == set(arrays) == set(TASKS)
    for name, content in contents.items():
        assert content["task"] == name
        assert (content["model"], content["model_revision"]) == ("toymodels:sound", None)
        assert content["fingerprint"] == "toy-sound"
        assert (content["data"], content["dataset_revision"]) == (str(here.mirror), "main")
        assert content["dataset"].startswith("toy/")
        assert content["score"] == pytest.approx(sum(content["subsets"].values()) / len(content["subsets"]))
        for subset, metrics in content["metrics"].items():
            assert metrics[content["metric"]] == content["subsets"][subset]
            assert content["counts"]["examples"][subset] == len(arrays[name][f"{subset}.outcomes"])
        assert set(content["seconds"]) == {"embedding", "total"}
        assert {"python", "pytest-mieb", "torch", "datasets", "numpy"} <= set(content["versions"])
    assert contents["ToyProbe"]["counts"]["rows"] == {"default": {"test": 64, "train": 48}}
    embedded, reused = (sum(content["work"][kind] for content in contents.values()) for kind in ("embedded", "reused"))
    assert f"embedded {embedded} items, {reused} taken from the store" in summary(result)
    assert not list(here.folder.rglob("*.tmp"))


def test_recording_says_what_is_new(recorded: Ran) -> None:
    here, result = recorded
    lines = summary(result)
    assert [line.split(":")[0].strip() for line in lines if ": new, " in line] == list(TASKS)
    assert f"recorded 7 tasks in {here.baseline}" in lines


def test_a_damaged_model_fails_the_tasks_that_it_lost(damaged: Ran) -> None:
    _, result = damaged
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    failed = [line.split("[")[1].split("]")[0] for line in result.outlines if line.startswith("FAILED ")]
    assert failed == list(REGRESSED)
    result.assert_outcomes(passed=3, failed=len(REGRESSED) + 3, deselected=130)


def test_a_failure_says_score_baseline_difference_threshold_and_remedy(damaged: Ran) -> None:
    _, result = damaged
    place = result.outlines.index("ToyZeroShot regressed: accuracy 50.00, baseline 100.00 (-50.00), threshold 96.88")
    assert result.outlines[place + 1] == "if the drop is meant, record it with --mieb-update"
    assert_no_traceback(result.outlines[: result.outlines.index(summary(result)[0])])


def test_every_language_is_a_subtest(damaged: Ran) -> None:
    _, result = damaged
    subtests = [line for line in result.outlines if line.startswith("SUBFAILED")]
    assert [line.split("]")[0] for line in subtests] == ["SUBFAILED[en", "SUBFAILED[de", "SUBFAILED[fr"]
    assert "languages='deu-Latn'" in subtests[1]
    result.stdout.fnmatch_lines(["ToyLanguages [[]de[]] regressed: hit_rate_at_1 12.50, baseline 100.00 *"])


def test_the_summary_starts_with_the_regressions_and_ends_with_the_next_command(damaged: Ran) -> None:
    _, result = damaged
    lines = [line for line in summary(result) if line]
    assert lines[:5] == [
        "regressed (4):",
        "  ToyLanguages: 12.50 from 100.00 (-87.50); in en, de, fr",
        "  ToyZeroShot: 50.00 from 100.00 (-50.00)",
        "  ToyPairs: 75.00 from 100.00 (-25.00)",
        "  ToyChoice: 37.50 from 100.00 (-62.50)",
    ]
    assert lines[5].split() == ["category", "tasks", "mean", "baseline", "change"]
    assert ["zero_shot_classification", "1", "50.00", "100.00", "-50.00"] in [line.split() for line in lines]
    assert lines[-1].startswith("next: pytest --mieb-model=toymodels:swapped_channels ")
    assert lines[-1].endswith(f"-k '{' or '.join(REGRESSED)}'")
    assert "-k Toy" not in lines[-1]


def test_junit_counts_regressions_as_failures_and_says_which_task(damaged: Ran) -> None:
    here, _ = damaged
    (suite,) = ElementTree.parse(here.folder / "junit.xml").getroot()
    assert (suite.get("errors"), suite.get("failures")) == ("0", "7")
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert list(cases) == [f"test_mieb[{name}]" for name in TASKS]
    failing = [name for name, case in cases.items() if case.find("failure") is not None]
    assert failing == [f"test_mieb[{name}]" for name in REGRESSED]
    assert "regressed: accuracy 50.00" in cases["test_mieb[ToyZeroShot]"].find("failure").get("message")


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
    result.assert_outcomes(passed=7, deselected=132)
    assert f"data {toys.mirror}, baseline toymodels:sound, device cpu" in header(result)
    lines = summary(result)
    assert "embedded 0 items, 562 taken from the store" in lines
    assert {line.split()[-1] for line in lines if len(line.split()) == 5} == {"change", "0.00"}
    assert not any(line.startswith(("regressed", "next")) for line in lines)
    before = here.results().contents
    for name in TASKS:
        content = json.loads((again.folder / "elsewhere" / SOUND / f"{name}.json").read_text(encoding="utf-8"))
        assert content["score"] == before[name]["score"]
        assert content["metrics"] == before[name]["metrics"]


def test_one_language_lost_names_that_language_and_a_stopped_run_what_is_left(recorded: Ran) -> None:
    here, _ = recorded
    result = here.run("without_german", f"--mieb-baseline={here.baseline}", "--exitfirst")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert [line.split("]")[0] for line in result.outlines if line.startswith("SUBFAILED")] == ["SUBFAILED[de"]
    lines = summary(result)
    assert "  ToyLanguages: 68.06 from 100.00 (-31.94); in de" in lines
    assert f"did not run (6): {', '.join(TASKS[1:])}" in lines
    assert lines[-1].endswith(f"-k '{' or '.join(TASKS)}'")


def test_recording_in_part_leaves_the_other_tasks_alone_and_says_what_changed(apart: Toys) -> None:
    before = yaml.safe_load(apart.baseline.read_text(encoding="utf-8"))["tasks"]
    result = apart.run(
        "swapped_channels", f"--mieb-baseline={SOUND}", "--mieb-update", "-k", "ToyZeroShot or ToyClustering"
    )
    assert result.ret == pytest.ExitCode.OK
    after = yaml.safe_load(apart.baseline.read_text(encoding="utf-8"))["tasks"]
    assert {name for name in before if after[name] != before[name]} == {"ToyZeroShot"}
    assert after["ToyZeroShot"] == {"score": 0.5, "threshold": 0.46875}
    lines = [line for line in summary(result) if line]
    assert lines[:2] == ["  ToyZeroShot: 100.00 -> 50.00 (-50.00)", f"recorded 2 tasks in {apart.baseline}"]


def test_an_edited_threshold_counts_and_a_task_without_baseline_fails(apart: Toys) -> None:
    text = apart.baseline.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "ToyZeroShot" not in line]
    place = next(place for place, line in enumerate(lines) if "ToySTS" in line)
    score = yaml.safe_load(text)["tasks"]["ToySTS"]["score"]
    lines[place] = f"  ToySTS: {{score: {score}, threshold: 0.95}}"
    apart.baseline.write_text("\n".join(lines) + "\n", encoding="utf-8")

    result = apart.run("sound", "-k", "ToyZeroShot or ToySTS or ToyPairs")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, failed=2, deselected=134)
    result.stdout.fnmatch_lines(
        [
            "ToyZeroShot: no baseline in toymodels:sound, scored 100.00",
            "record it with --mieb-update -k ToyZeroShot",
            "ToySTS regressed: cosine_spearman 90.61, baseline 90.61 (0.00), threshold 95.00",
        ]
    )
    assert summary(result)[-1].endswith("-k 'ToyZeroShot or ToySTS'")
