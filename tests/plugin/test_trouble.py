"""What goes wrong at a task stays with that task: a missing score is neither a pass nor a zero."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import datasets
import pytest
from PIL import Image

from pytest_mieb.data import Images
from pytest_mieb.embedding import Store
from pytest_mieb.embedding.shared import SHARD
from pytest_mieb.plugin import INCOMPLETE
from tests.data.mirrors import encoded, whole
from tests.embedding.stored import find
from tests.plugin.running import Toys, assert_no_traceback, summary
from tests.plugin.toy import BROKEN, MEAN, OF_IMAGES_ONLY, TASKS, spoil

Ran = tuple[Toys, pytest.RunResult]


def errors_of(result: pytest.RunResult) -> list[str]:
    """What pytest says of errors, up to our summary."""
    first = next(place for place, line in enumerate(result.outlines) if line.strip("= ") == "ERRORS")
    return result.outlines[first : result.outlines.index(summary(result)[0])]


@pytest.fixture(scope="module")
def in_part(toys: Toys) -> Ran:
    """A model without texts, and two tasks whose data cannot be used."""
    here = toys.at(toys.mirror.parent / "in-part")
    return here, here.run(
        "vision_only", "--mieb-baseline=none", f"--mieb-tasks={toys.broken_cards}", "-rs", "--junitxml=junit.xml"
    )


def test_a_task_that_the_model_cannot_do_is_skipped_with_the_reason(in_part: Ran) -> None:
    _, result = in_part
    result.assert_outcomes(passed=3, skipped=5, errors=2, deselected=130)
    result.stdout.fnmatch_lines(["SKIPPED [[]5[]] *: toymodels:vision_only embeds no text"])
    (reason,) = (line for line in summary(result) if line.startswith("not applicable (5): Toy"))
    assert reason.endswith(": toymodels:vision_only embeds no text")


def test_data_that_cannot_be_used_is_an_error_of_its_task_alone(in_part: Ran, toys: Toys) -> None:
    here, result = in_part
    assert result.ret == INCOMPLETE
    for sentence in (
        f"dataset toy/absent (revision main) is not in the mirror {toys.mirror}: "
        f"fetch it with `pytest-mieb data fetch`, or download a snapshot of it to {toys.mirror}/toy/absent",
        "dataset toy/colours (revision main), split test: no column 'colour', only image, label; "
        "check the card against the dataset, or download it again",
    ):
        (line,) = (line for line in result.outlines if sentence in line and not line.startswith("ERROR"))
        assert line.endswith(sentence)
    assert f"errors (2): {', '.join(sorted(BROKEN))}" in summary(result)
    assert set(here.results("vision_only").contents) == set(OF_IMAGES_ONLY)
    assert_no_traceback(errors_of(result))


class Twice(NamedTuple):
    """Two runs of the same, and the files of embeddings that each left."""

    toys: Toys
    results: list[pytest.RunResult]
    kept: list[list[Path]]


@pytest.fixture(scope="module")
def bad_pictures(toys: Toys) -> Twice:
    """One picture of a training split is cut short, one of another dataset too wide for the model.

    In the second run other code has told Pillow to make up what a file lacks.
    """
    root = toys.mirror.parent / "bad-pictures"
    shutil.copytree(toys.mirror, root / "mirror")
    spoil(root / "mirror", "toy/colours", "train", 13, "image", lambda file: file[:-40])
    spoil(root / "mirror", "toy/sts", "test", 5, "sentence2", lambda file: encoded(Image.new("RGB", (34, 2), "red")))
    twice = Twice(replace(toys.at(root), mirror=root / "mirror", cache=root / "cache"), [], [])
    for conftest in ("", "from PIL import ImageFile\n\nImageFile.LOAD_TRUNCATED_IMAGES = True\n"):
        (root / "conftest.py").write_text(conftest)
        twice.results.append(twice.toys.run("choosy", "--mieb-baseline=none"))
        twice.kept.append(sorted((root / "cache" / "embeddings").rglob(f"*{SHARD}")))
    return twice


def test_a_picture_that_cannot_be_used_is_named_by_its_row_and_spoils_no_other_task(bad_pictures: Twice) -> None:
    for result in bad_pictures.results:
        result.assert_outcomes(passed=6, errors=2, deselected=130)
        for sentence in (
            "dataset toy/colours (revision main), split train: column 'image' holds a damaged image in row 13 (",
            "dataset toy/sts (revision main), split test: the model fails for the image in row 5 (ValueError: aspect "
            "ratio 17, in toymodels.py line ",
        ):
            assert len([line for line in result.outlines if line.startswith(sentence)]) == 1
        assert "errors (2): ToyProbe, ToySTS" in summary(result)
        assert_no_traceback(errors_of(result))
    assert set(bad_pictures.toys.results("choosy").contents) == {*TASKS} - {"ToyProbe", "ToySTS"}


def test_the_pictures_beside_it_are_embedded_and_not_again(bad_pictures: Twice) -> None:
    first, second = bad_pictures.kept
    assert first == second
    store = Store(first[0].parent)
    for dataset, split, column, row in (("toy/sts", "test", "sentence2", 5), ("toy/colours", "train", "image", 13)):
        file = str(bad_pictures.toys.mirror / dataset / f"{split}.parquet")
        keys = Images(
            whole(datasets.Dataset.from_parquet(file, cache_dir=str(bad_pictures.toys.cache))), column
        ).keys.tolist()
        assert keys[row] not in find(store, keys)
        assert len(find(store, keys)) > 20


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "with a worker"])
def test_what_a_library_warns_of_decides_nothing(toys: Toys, tmp_path: Path, workers: tuple[str, ...]) -> None:
    """Where a project's pytest makes errors of warnings they are shown; what it ignores it ignores here too."""
    here = toys.at(tmp_path, "filterwarnings =\n  error\n  ignore:known for long")
    result = here.run("grumbles", "--mieb-baseline=none", f"--mieb-cache={tmp_path / 'cache'}", *workers)
    result.assert_outcomes(passed=8, deselected=0 if workers else 130)
    for sentence in ("*FutureWarning: loaded otherwise one day", "*DeprecationWarning: read otherwise one day"):
        result.stdout.fnmatch_lines([sentence])
    result.stdout.no_fnmatch_line("*known for long*")


def test_the_next_command_runs_what_has_no_score(in_part: Ran) -> None:
    _, result = in_part
    assert summary(result)[-1].endswith("-k 'ToyNoColumn or ToyNoDataset'")


def test_junit_tells_errors_from_failures_and_skips(in_part: Ran) -> None:
    here, _ = in_part
    (suite,) = ElementTree.parse(here.folder / "junit.xml").getroot()
    assert {kind: suite.get(kind) for kind in ("errors", "failures", "skipped", "tests")} == {
        "errors": "2",
        "failures": "0",
        "skipped": "5",
        "tests": "10",
    }
    assert [case for case, outcome in here.junit().items() if outcome == "error"] == [
        f"test_mieb::test_mieb[{name}]" for name in sorted(BROKEN)
    ]


def test_compared_with_nothing_there_is_no_mean_and_no_verdict(in_part: Ran) -> None:
    here, result = in_part
    assert not any("mieb::" in line for line in result.outlines if not line.startswith("ERROR test_mieb.py"))
    assert not any(line.startswith("verdict") for line in summary(result))
    assert not list(here.folder.rglob("verdict.json"))


@pytest.fixture(scope="module")
def not_a_number(toys: Toys, recorded: Ran) -> Ran:
    """A model whose texts are NaN; and one task of the benchmark, whose dataset is not in the mirror."""
    here = toys.at(toys.mirror.parent / "not-a-number")
    chosen = "ToyClustering or ToyZeroShot or ToyPairs or CIFAR10Clustering"
    return here, here.run("not_a_number", f"--mieb-baseline={recorded[0].baseline}", "-k", chosen)


def test_an_embedding_that_is_not_a_number_is_an_error_not_a_score(not_a_number: Ran) -> None:
    here, result = not_a_number
    result.assert_outcomes(passed=1, errors=4, deselected=134)  # and the mean of clustering
    assert result.ret == INCOMPLETE
    sentence = "the model gave NaN or infinite values for text inputs; check its weights"
    assert len([line for line in result.outlines if sentence in line and not line.startswith("ERROR")]) == 2
    lines = summary(result)
    assert "errors (3): CIFAR10Clustering, ToyZeroShot, ToyPairs" in lines
    assert not any(line.startswith("regressed") for line in lines)
    assert set(here.results("not_a_number").contents) == {"ToyClustering"}


def test_a_benchmark_in_part_has_no_mean(not_a_number: Ran) -> None:
    _, result = not_a_number
    means = [line for line in summary(result) if line.startswith("Mean")]
    assert means == ["Mean (en) of MIEB-lite: incomplete", "Mean (m) of MIEB-lite: incomplete"]


def test_what_two_workers_die_of_is_an_error_of_its_task_and_told_with_its_items(toys: Toys, recorded: Ran) -> None:
    """It dies of the second of two tasks of one category, whose mean is then no number either."""
    here = toys.at(toys.mirror.parent / "dies")
    chosen = "ToyZeroShot or ToyShades or ToySTS"
    result = here.run(
        "dies", f"--mieb-baseline={recorded[0].baseline}", "-n", "2", "-k", chosen, "--junitxml=junit.xml"
    )
    assert result.ret == INCOMPLETE
    assert here.junit() == {
        "test_mieb::test_mieb[ToySTS]": "passed",
        "test_mieb::test_mieb[ToyShades]": "passed",
        "test_mieb::test_mieb[ToyZeroShot]": "error",
        f"mieb::{MEAN}": "error",
    }
    verdict = here.verdict("dies")
    assert (verdict["state"], verdict["exit_code"]) == ("incomplete", INCOMPLETE)
    # Two died: both of them in the task, or one of them as it helped with it, so that a third was stopped in time.
    assert re.search(
        r"(crashed while running .*\nit may have died of what it was embedding: |2 processes died while they embedded )"
        r"8 text inputs, the text 'a picture in ",
        verdict["incomplete"]["ToyZeroShot"],
    )
    assert verdict["means"][MEAN] == {
        "status": "incomplete",
        "tasks": 2,
        "missing": ["ToyZeroShot"],
        "accepted": [],
        "score": None,
        "tolerance": None,
        "detectable": None,
    }
    lines = summary(result)
    assert lines[0] == "errors (1): ToyZeroShot"
    died = [line for line in lines if " died while it ran " in line]
    assert died and all(line.endswith("died while it ran ToyZeroShot, which was started again") for line in died)
    assert set(here.results("dies").contents) == {"ToyShades", "ToySTS"}
    assert lines[-1].endswith("-k ToyZeroShot")


def test_workers_that_cannot_load_the_model_fail_every_task_with_the_sentence(toys: Toys) -> None:
    here = toys.at(toys.mirror.parent / "raises")
    result = here.run("raises", "--mieb-baseline=none", "-n", "2")
    assert result.ret == INCOMPLETE
    result.assert_outcomes(errors=8)
    sentence = "raises() failed: RuntimeError: weights of step 40000 are truncated"
    assert len([line for line in result.outlines if sentence in line and not line.startswith("ERROR")]) == 8
    lines = summary(result)
    assert f"errors (8): {', '.join(TASKS)}" in lines
    assert_no_traceback(lines)
