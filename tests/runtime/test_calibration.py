"""Noise under changes that must not matter: which changes are tried, and what is made of the scores."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL.Image import Image

from pytest_mieb.data import open_source
from pytest_mieb.embedding import Pipeline
from pytest_mieb.models import Embedder, FunctionEmbedder
from pytest_mieb.runtime.calibration import Calibration, Change, changes, noise
from pytest_mieb.runtime.evaluation import evaluate
from pytest_mieb.suite.cards import load_tasks


def names(n: int, **given: Any) -> list[str]:
    run: dict[str, Any] = {"batch_size": 64, "threads": 2, "dtype": "float32", "device": "cpu"} | given
    return [change.name for change in islice(changes(**run), n)]


def test_each_change_is_of_another_kind() -> None:
    assert names(4) == ["batch size 32", "order 0", "threads 1", "dtype bfloat16"]
    assert names(5, device="cuda:1")[4] == "device cpu"
    assert names(1, dtype="float32", batch_size=1) == ["batch size 2"]
    assert names(4, dtype="bfloat16")[3] == "dtype float32"


def test_a_model_that_cannot_be_loaded_otherwise_keeps_its_dtype_and_device() -> None:
    assert names(6, dtype=None, device=None) == [
        "batch size 32", "order 0", "threads 1", "batch size 33", "order 1", "threads 3",
    ]  # fmt: skip


@pytest.mark.parametrize(("threads", "batch_size"), [(1, 1), (2, 2), (3, 3), (4, 64)])
def test_no_change_is_what_the_run_does_and_none_comes_twice(threads: int, batch_size: int) -> None:
    found = list(islice(changes(batch_size, threads, "float32", "cuda"), 20))
    assert len(set(found)) == len(found)
    assert all(change.threads != threads and change.batch_size != batch_size for change in found)
    assert all((change.batch_size or 1) >= 1 for change in found)


def test_the_noise_is_the_largest_distance() -> None:
    assert noise(0.5, {"a": 0.52, "b": 0.47}) == pytest.approx(0.03)
    assert noise(0.5, {}) == 0.0


class Noted:
    """Looks at the mean colours of an image; notes with how many threads, in which batches and in which order."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.batches: list[int] = []
        self.first: list[NDArray[np.float32]] = []

    def __call__(self, images: Sequence[Image]) -> NDArray[np.float32]:
        self.threads.append(torch.get_num_threads())
        self.batches.append(len(images))
        vectors = np.stack([np.asarray(image.resize((4, 4)), np.float32).ravel() for image in images]) + 1
        self.first.append(vectors[0])
        return vectors

    @property
    def model(self) -> Embedder:
        return FunctionEmbedder(self, fingerprint="noted")


def test_every_change_reaches_the_model_and_a_deterministic_one_does_not_move(
    miniature_cache: Path, tmp_path: Path
) -> None:
    source = open_source("miniature", miniature_cache)
    task = load_tasks()["CIFAR10Clustering"]
    plain, changed, loaded = Noted(), Noted(), []

    def load(**given: str) -> Embedder:
        loaded.append(given)
        return plain.model

    result = evaluate(task, source, Pipeline(plain.model, None, 64))
    before = torch.get_num_threads()
    calibration = Calibration(4, changed.model, load, tmp_path, batch_size=64, device="cpu", dtype="float32")
    scores = calibration.scores(result, source)
    assert list(scores) == [change.name for change in calibration.changes]
    assert scores == dict.fromkeys(scores, result.repeatable)
    assert loaded == [{"dtype": "bfloat16"}]
    assert set(changed.batches) == {32, 64}
    by_order = changed.first[changed.batches.count(32)]
    assert not np.array_equal(by_order, plain.first[0])
    assert changed.threads[-1] == calibration.changes[2].threads != before
    assert torch.get_num_threads() == before


def test_what_moves_is_seen(miniature_cache: Path, tmp_path: Path) -> None:
    """A model whose embedding depends on its batch."""
    source = open_source("miniature", miniature_cache)
    task = load_tasks()["CIFAR10Clustering"]

    def embed(images: Sequence[Image]) -> NDArray[np.float32]:
        noise = np.random.default_rng(len(images)).normal(size=(len(images), 8))
        return noise.astype(np.float32)

    model = FunctionEmbedder(embed)
    result = evaluate(task, source, Pipeline(model, None, 64))
    scores = Calibration(1, model, None, tmp_path, batch_size=64, device="cpu", dtype="").scores(result, source)
    assert noise(result.score, scores) > 0
    assert Change(batch_size=32).name in scores
