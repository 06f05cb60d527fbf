"""A model on several devices embeds as it does on one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_mieb.embedding import EmbeddingError, Pipeline, Store
from pytest_mieb.models import Purpose
from pytest_mieb.models.errors import ModelError
from tests.embedding.test_pipeline import Toy, texts

VALUES = [f"{chr(ord('a') + number % 26)}{number:03}" for number in range(100)]


def test_all_devices_embed_at_the_same_time_and_each_item_once() -> None:
    together = Barrier(3, timeout=60)

    class Meeting(Toy):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if not self.batches:
                together.wait()
            return super().embed_texts(texts)

    toys = [Meeting() for _ in range(3)]
    pipeline = Pipeline(toys[0], batch_size=4, replicas=toys[1:])
    assert pipeline.embed(texts(*VALUES))[:, 0].tolist() == list(map(len, VALUES))
    assert sorted(item for toy in toys for item in toy.seen) == sorted(VALUES)
    assert pipeline.counts.embedded == 100
    pipeline.close()


def test_one_that_has_no_room_goes_on_with_smaller_batches() -> None:
    class Small(Toy):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if len(texts) > 2:
                raise MemoryError
            return super().embed_texts(texts)

    warnings: list[str] = []
    toys = [Toy(), Small()]
    pipeline = Pipeline(toys[0], batch_size=8, replicas=toys[1:], warn=warnings.append)
    assert pipeline.embed(texts(*VALUES))[:, 0].tolist() == list(map(len, VALUES))
    assert len(warnings) == 2 and "goes on with 2" in warnings[1]
    assert max(toys[0].batches) == 8 and set(toys[1].batches) == {2}


@pytest.mark.parametrize("error", [ValueError("no"), ModelError("may cost too much")])
def test_what_fails_on_another_device_fails(tmp_path: Path, error: Exception) -> None:
    class Failing(Toy):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            raise error

    pipeline = Pipeline(Toy(), Store(tmp_path), batch_size=4, replicas=[Failing()])
    with pytest.raises((EmbeddingError, ModelError)):
        pipeline.embed(texts(*VALUES))
    embedded = pipeline.counts.embedded
    assert (Store(tmp_path).lookup(texts(*VALUES).keys) >= 0).sum() == embedded


def test_the_others_are_told_what_an_embedding_is_for_too() -> None:
    class Told(Toy):
        def prompted(self, purpose: Purpose) -> Toy:
            other = Toy()
            other.fingerprint = f"toy for {purpose.task}"
            prompted.append(other)
            return other

    prompted: list[Toy] = []
    Pipeline(Told(), batch_size=1, replicas=[Told()]).embed(texts(*VALUES), Purpose("A", "retrieval"))
    assert len(prompted) == 2 and all(toy.seen for toy in prompted)
