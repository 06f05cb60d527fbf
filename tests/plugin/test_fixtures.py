"""The fixtures in a user's own test module."""

from __future__ import annotations

import pytest

from tests.plugin.running import Toys, header, run, summary
from tests.plugin.toy import TASKS

OWN = """
import numpy as np
import pytest

from pytest_mieb import Embedder


def test_every_task(mieb_task, mieb_result):
    assert mieb_result.task is mieb_task
    assert set(mieb_result.subsets) == set(mieb_task.subsets)
    assert 0.9 < mieb_result.score <= 1


@pytest.mark.parametrize("mieb_task", ["ToyClustering"], indirect=True)
def test_by_name(mieb_task, mieb_result, mieb_verdict):
    assert mieb_task.category == "clustering"
    assert mieb_verdict.status == "measured"
    assert mieb_result.embedded == 0 or mieb_result.reused == 0


@pytest.mark.parametrize(("mieb_task", "least"), [("ToyZeroShot", 0.9), ("ToyPairs", 1.1)], indirect=["mieb_task"])
def test_at_least(mieb_result, least):
    assert mieb_result.score >= least


@pytest.mark.parametrize("mieb_task", ["ToyZeroShott"], indirect=True)
def test_misspelt(mieb_task): ...


def test_the_model(mieb_embedder):
    assert isinstance(mieb_embedder, Embedder)
    assert mieb_embedder.modalities == {"image", "text"}
    assert mieb_embedder.embed_texts(["red"]).shape == (1, mieb_embedder.dimension)
"""


@pytest.fixture(scope="module")
def at_home(toys: Toys, tmp_path_factory: pytest.TempPathFactory) -> Toys:
    return toys.at(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def own(at_home: Toys) -> pytest.RunResult:
    """With a model that has no fingerprint: its embeddings are kept for this run only."""
    (at_home.folder / "test_own.py").write_text(OWN, encoding="utf-8")
    options = ["--mieb-baseline=none", "--mieb-results=out/of", "--mieb-batch-size=7", "--mieb-trust-remote-code"]
    options += ["-k", "Toy or test_the_model", "-v", "test_own.py"]
    (at_home.folder / "tmp").mkdir()
    return run(
        at_home.folder,
        "--mieb-model=toymodels:unnamed",
        *at_home.options,
        *options,
        variables={"TMPDIR": str(at_home.folder / "tmp")},
    )


def outcomes(result: pytest.RunResult, test: str) -> dict[str, str]:
    """Outcome by what stands in brackets in the test's id."""
    lines = [line.split()[:2] for line in result.outlines if line.startswith(f"test_own.py::{test}")]
    return {nodeid.partition("[")[2].removesuffix("]"): outcome for nodeid, outcome in lines if outcome.isupper()}


def test_a_test_with_the_fixture_runs_for_every_selected_task(own: pytest.RunResult) -> None:
    assert outcomes(own, "test_every_task") == dict.fromkeys(TASKS, "PASSED")


def test_a_model_without_fingerprint_leaves_no_embeddings(own: pytest.RunResult, at_home: Toys) -> None:
    assert outcomes(own, "test_every_task")
    assert list((at_home.folder / "tmp").rglob("*.vectors.npy")) == []


def test_a_test_may_name_its_task(own: pytest.RunResult) -> None:
    assert outcomes(own, "test_by_name") == {"ToyClustering": "PASSED"}
    assert outcomes(own, "test_at_least") == {"ToyZeroShot-0.9": "PASSED", "ToyPairs-1.1": "FAILED"}


def test_a_misspelt_task_is_an_error_that_suggests_near_names(own: pytest.RunResult) -> None:
    assert outcomes(own, "test_misspelt") == {"ToyZeroShott": "ERROR"}
    own.stdout.fnmatch_lines(["*there is no MIEB task 'ToyZeroShott'; near are ToyZeroShot*"])
    assert not any("UsageError" in line for line in own.outlines)


def test_the_model_is_a_fixture(own: pytest.RunResult) -> None:
    assert outcomes(own, "test_the_model") == {"": "PASSED"}


def test_the_results_lie_in_the_folder_that_was_asked_for(own: pytest.RunResult, at_home: Toys) -> None:
    assert header(own).endswith(", batches of 7")
    results = at_home.folder / "out/of/toymodels__unnamed"
    assert {file.stem for file in results.glob("*.json")} == set(TASKS)
    assert not (at_home.folder / "mieb-results").exists()


def test_a_task_that_several_tests_ask_for_is_run_once(own: pytest.RunResult) -> None:
    assert "422 items were embedded, 200 were taken from the store" in summary(own)
