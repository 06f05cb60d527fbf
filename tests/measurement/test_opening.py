"""What a run can be compared with: finding it by name, opening it, and the outcomes that belong to it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_mieb.gate.comparison import Measured, compare
from pytest_mieb.gate.policy import Policy
from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.measurement import outcomes, published
from pytest_mieb.measurement.baseline import Baseline, BaselineError, Estimate, Measurement, read, write
from pytest_mieb.measurement.context import Context
from pytest_mieb.measurement.measuring import examples_of as examples_in
from pytest_mieb.measurement.measuring import measured
from pytest_mieb.measurement.opening import available, examples_behind, examples_of, find, open_baseline
from pytest_mieb.measurement.result import SubsetResult, TaskResult
from pytest_mieb.measurement.results import Provenance, write_result, write_verdict
from pytest_mieb.protocols import Scored
from pytest_mieb.suite.cards import load_tasks
from pytest_mieb.support.seconds import Seconds
from tests.gate.builders import hits, zero_shot

SUITE = load_tasks()
CLIP = "openai/clip-vit-base-patch32"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The user's baselines and the package's."""
    mine, packaged = tmp_path / "mine", tmp_path / "packaged"
    for folder, names in ((mine, ("exp7", "both", "step.400")), (packaged, ("miniature", "both"))):
        folder.mkdir()
        for name in names:
            write(Baseline(name, "hub"), folder / f"{name}.yaml")
    monkeypatch.setattr("pytest_mieb.measurement.opening.packaged", lambda _name: packaged)
    return mine, packaged


def test_a_baseline_is_found_by_its_name_the_users_first(folders: tuple[Path, Path]) -> None:
    mine, packaged = folders
    assert find("exp7", mine) == mine / "exp7.yaml"
    assert find("both", mine) == mine / "both.yaml"
    assert find("step.400", mine) == mine / "step.400.yaml"
    assert find("miniature", mine) == packaged / "miniature.yaml"
    assert available(mine) == ["both", "exp7", "miniature", "step.400"]


def test_a_baseline_is_found_by_its_path(folders: tuple[Path, Path], tmp_path: Path) -> None:
    mine, packaged = folders
    assert find(str(packaged / "miniature.yaml"), mine) == packaged / "miniature.yaml"
    assert find(str(mine), tmp_path) == mine  # a folder of results
    with pytest.raises(BaselineError) as refusal:
        find(str(tmp_path / "gone.yml"), mine)
    assert str(refusal.value).startswith(f"no baseline file {tmp_path / 'gone.yml'}; record it with --mieb-update")


@pytest.mark.parametrize("name", [CLIP, "OpenAI/CLIP-vit-base-patch32", "openai__clip-vit-base-patch32"])
def test_a_published_model_is_found_by_its_hub_id_after_recorded_ones(tmp_path: Path, name: str) -> None:
    found = find(name, tmp_path)
    assert found == published.folder() / published.file_name(CLIP)
    own = tmp_path / f"{name}.yaml"
    own.parent.mkdir(exist_ok=True)
    write(Baseline(CLIP, "hub"), own)
    assert find(name, tmp_path) == own


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("exp8", "Did you mean exp7?"),
        ("clip-vit-base-patch32", "Did you mean openai/clip-vit-base-patch32"),
        ("something-else", "There are: both, exp7, miniature, step.400, and 55 published ones"),
    ],
)
def test_a_missing_baseline_names_near_ones_and_how_to_record_it(
    folders: tuple[Path, Path], name: str, hint: str
) -> None:
    with pytest.raises(BaselineError) as refusal:
        find(name, folders[0])
    said = str(refusal.value)
    assert said.startswith(f"no baseline {name!r} in {folders[0]} or in the package. {hint}")
    assert "--mieb-update" in said and "--mieb-baseline=none" in said


def stored(folder: Path, **changes: Any) -> Baseline:
    """A recorded baseline of one task, with its outcomes."""
    (folder / "exp7").mkdir(parents=True)
    kept = folder / "exp7" / "Some.npz"
    outcomes.write(kept, {"default": hits(70)})
    task = replace(Measurement(0.7, 0.05, outcomes=outcomes.digest(kept)), **changes)
    if not task.outcomes:
        kept.unlink()
    write(Baseline("m", "hub", tasks={"Some": task}), folder / "exp7.yaml")
    return read(folder / "exp7.yaml")


def test_the_outcomes_of_a_baseline_lie_beside_it(tmp_path: Path) -> None:
    found = examples_of(stored(tmp_path), "Some")
    assert found is not None and np.array_equal(found["default"].outcomes, hits(70).outcomes)


def test_a_baseline_recorded_without_outcomes_has_none(tmp_path: Path) -> None:
    assert examples_of(stored(tmp_path, outcomes=""), "Some") is None
    assert examples_of(Baseline("m", "hub", tasks={"Some": Measurement(0.5, outcomes="12")}), "Some") is None


def test_outcomes_that_the_baseline_does_not_name_are_no_reason_to_compare_by_the_score(tmp_path: Path) -> None:
    """Else an entry that an edit or a merge cut short would be compared without them, and see little."""
    file = tmp_path / "exp7.yaml"
    stored(tmp_path)
    file.write_text(re.sub(r", outcomes: '?\w+'?", "", file.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(BaselineError, match="restore the task's `outcomes`"):
        examples_of(read(file), "Some")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


LOST: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.unlink(), "the outcomes of the baseline are missing"),
    "damaged": (cut, "does not hold the outcomes that belong to the baseline's score"),
    "of another run": (
        lambda path: outcomes.write(path, {"default": hits(71)}),
        "does not hold the outcomes that belong to the baseline's score",
    ),
    "a folder": (a_folder, "the outcomes of the baseline are missing"),
}


@pytest.mark.parametrize("case", LOST)
def test_outcomes_that_are_lost_are_an_error_with_the_remedy(tmp_path: Path, case: str) -> None:
    baseline, (lose, sentence) = stored(tmp_path), LOST[case]
    path = tmp_path / "exp7" / "Some.npz"
    lose(path)
    with pytest.raises(BaselineError) as refusal:
        examples_of(baseline, "Some")
    said = str(refusal.value)
    assert said.startswith("Some: ") and sentence in said and str(path) in said
    assert said.endswith("restore the file, or record the task anew with --mieb-update -k Some")


def test_a_file_that_was_no_outcomes_when_it_was_recorded_is_an_error_too(tmp_path: Path) -> None:
    stored(tmp_path)
    path = tmp_path / "exp7" / "Some.npz"
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    text = (tmp_path / "exp7.yaml").read_text()
    before = read(tmp_path / "exp7.yaml").tasks["Some"].outcomes
    (tmp_path / "exp7.yaml").write_text(text.replace(before, outcomes.digest(path)))
    with pytest.raises(BaselineError, match=r"cannot be read .*--mieb-update -k Some"):
        examples_of(read(tmp_path / "exp7.yaml"), "Some")


def test_a_score_that_its_outcomes_contradict_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    task = zero_shot("Some")
    assert examples_behind(stored(tmp_path / "sound"), task) is not None
    assert examples_behind(stored(tmp_path / "without", score=0.9, outcomes=""), task) is None
    edited = stored(tmp_path / "edited", score=0.01)
    assert examples_of(edited, "Some") is not None
    with pytest.raises(BaselineError) as refusal:
        examples_behind(edited, task)
    assert str(refusal.value) == (
        f"Some: scored 1.00, while its outcomes make up 70.00 ({tmp_path / 'edited' / 'exp7'}); correct the score, or "
        "record the task anew with --mieb-update -k Some"
    )
    with pytest.raises(BaselineError, match="are missing"):
        (tmp_path / "sound/exp7/Some.npz").unlink()
        examples_behind(read(tmp_path / "sound/exp7.yaml"), task)


@pytest.mark.parametrize("kind", ["recorded", "results"])
def test_a_score_that_cannot_be_is_refused_with_its_key(tmp_path: Path, kind: str) -> None:
    task = zero_shot("Some")
    if kind == "recorded":
        stored(tmp_path, score=-0.1)
        path = tmp_path / "exp7.yaml"
    else:
        path = results(tmp_path / "r", "Some")
        spoiled("score", -0.1)(path / "Some.json")
    with pytest.raises(BaselineError) as refusal:
        open_baseline(path, {"Some": task})
    assert str(refusal.value) == (
        f"{path}: tasks.Some.score: -0.1 is no accuracy, which lies between 0 and 1; correct it, or remove the task "
        "there and measure it again"
    )
    correlation = replace(task, protocol="sts", metric="cosine_spearman")
    assert open_baseline(path, {"Some": correlation}).tasks["Some"].score == -0.1
    assert open_baseline(path, {}).tasks["Some"].score == -0.1  # of a task without a card nothing is known


def test_published_scores_are_indicative_and_name_what_does_not_compare() -> None:
    found = open_baseline(published.folder() / published.file_name(CLIP), SUITE)
    assert (found.model, found.data, found.indicative, found.folder) == (CLIP, "hub", True, None)
    assert found.tasks["CIFAR10"].drift == 0.01 and found.tasks["CIFAR10"].error == 0
    assert "candidates" in found.unusable["RParisHardI2IRetrieval"]
    assert set(found.unusable) < set(found.tasks)
    assert all(found.tasks[name].drift < 1 for name in found.tasks if name not in found.unusable)
    assert examples_of(found, "CIFAR10") is None and found.context("CIFAR10") is None
    assert found.tasks["CIFAR10"].subsets == {}
    assert set(found.tasks["XM3600T2IRetrieval"].subsets) == set(SUITE["XM3600T2IRetrieval"].subsets)


def test_a_published_task_without_a_card_is_left_out() -> None:
    few = {name: SUITE[name] for name in ("CIFAR10", "STS12VisualSTS")}
    assert set(open_baseline(published.folder() / published.file_name(CLIP), few).tasks) == set(few)


def test_every_published_score_that_is_usable_compares_with_a_run_of_today() -> None:
    """No subset of a table is unknown to the card, and none of the card's is amiss where the table has some."""
    for model in published.names():
        baseline = open_baseline(published.folder() / published.file_name(model), SUITE)
        for name, old in baseline.tasks.items():
            task = SUITE[name]
            marks = {subset: Estimate(0.5, 0.01) for subset in task.subsets} if len(task.subsets) > 1 else {}
            now = Measurement(0.5, 0.01, subsets=marks, dataset=task.dataset.revision[:12], examples="1", run_id="2")
            found = compare(task, Measured(old), Measured(now, Context(), {}), Policy())
            assert found.subsets.keys() == (old.subsets.keys() if old.subsets else set())
            assert not found.paired and found.drift == old.drift


CONTEXT = Context(fingerprint="abc", dtype="float32", preprocessing={"size": (32, 32)}, versions={"torch": "2.6"})


def results(folder: Path, *names: str, data: str = "miniature") -> Path:
    """A run's results, as the run writes them."""
    for name in names:
        write_result(
            folder, a_result(name), measured(a_result(name)), Provenance("runs/exp7", "v2", None, data), CONTEXT
        )
    return folder


def a_result(name: str) -> TaskResult:
    names = ("en", "no") if name == "Several" else ("default",)
    task = zero_shot(name, subsets=dict.fromkeys(names, ()))
    sizes = {"test": (100, 120)} if name == "Some" else {}
    scored = Scored({"accuracy": 0.7}, hits(70).outcomes)
    subsets = {subset: SubsetResult(0.7, scored, {"test": 100}, digest=subset, other_sizes=sizes) for subset in names}
    return TaskResult(task, 0.7, subsets, embedded=1, reused=0, seconds=Seconds(total=1.0))


def test_the_results_of_a_run_are_a_baseline(tmp_path: Path) -> None:
    folder = results(tmp_path / "r", "Some", "Several")
    found = open_baseline(folder, {})
    assert (found.model, found.revision, found.data, found.indicative) == ("runs/exp7", "v2", "miniature", False)
    assert set(found.tasks) == {"Some", "Several"}
    context = found.context("Several")
    assert context is not None and context.name == CONTEXT.name
    assert [found.tasks[name].part for name in ("Some", "Several")] == ["100 of 120 rows", ""]
    for name in found.tasks:
        own = a_result(name)
        kept = outcomes.digest(folder / f"{name}.npz")
        assert found.tasks[name] == replace(measured(own), run_id=CONTEXT.name, outcomes=kept)
        old = Measured(found.tasks[name], found.context(name), examples_of(found, name))
        compared = compare(
            own.task, old, Measured(measured(own), CONTEXT, examples_in(own)), Policy(strict_context=True)
        )
        assert (compared.paired, compared.difference.drop, compared.preprocessing) == (True, 0.0, None)
        assert list(compared.subsets) == (["en", "no"] if name == "Several" else [])


def test_the_verdict_beside_results_is_none_of_them(tmp_path: Path) -> None:
    folder = results(tmp_path / "r", "Some", data="hub")
    write_verdict(folder, {"format": 1, "tasks": {}})
    assert (folder / "verdict.json").is_file()
    found = open_baseline(folder, {})
    assert (found.model, found.data, set(found.tasks)) == ("runs/exp7", "hub", {"Some"})


def test_data_of_a_mirror_is_the_hubs(tmp_path: Path) -> None:
    assert open_baseline(results(tmp_path / "r", "Some", data="/data/mirror"), {}).data == "hub"


def spoiled(key: str, value: Any) -> Callable[[Path], object]:
    def spoil(path: Path) -> None:
        content = json.loads(path.read_text())
        if value is None:
            del content[key]
        else:
            content[key] = value
        path.write_text(json.dumps(content))

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text("{"),
        lambda path: path.write_text("3"),
        lambda path: path.write_bytes(b"\xff"),
        lambda path: path.with_suffix(".npz").unlink(),
        spoiled("context", None),
        spoiled("context", {"colour": "blue"}),
        spoiled("context", []),
        spoiled("score", "high"),
        spoiled("error", None),
        spoiled("examples", None),
        spoiled("model", None),
        spoiled("subsets", [1, 2]),
        spoiled("subsets", {"en": 0.5, "no": 0.5}),
    ],
)
def test_a_damaged_result_is_refused_with_its_name_and_the_remedy(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    path = results(tmp_path / "r", "Some") / "Some.json"
    spoil(path)
    with pytest.raises(BaselineError) as refusal:
        open_baseline(path.parent, {})
    assert str(refusal.value).startswith(f"{path}: not the result of a task as this version writes it")
    assert str(refusal.value).endswith("run the task again, or remove the file")


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaselineError) as refusal:
        open_baseline(tmp_path, {})
    assert str(refusal.value).startswith(f"{tmp_path}: no results there (<task>.json); give mieb-results/<model>")


def test_results_whose_outcomes_were_replaced_since_they_were_opened_are_refused(tmp_path: Path) -> None:
    folder = results(tmp_path / "r", "Some")
    found = open_baseline(folder, {})
    outcomes.write(folder / "Some.npz", {"default": Examples(np.zeros(100))})
    with pytest.raises(BaselineError, match="does not hold the outcomes"):
        examples_of(found, "Some")
