"""Pipelines that share a store share the work, chunk by chunk."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.embedding import Claims, EmbeddingError, Pipeline, Store, Wanted
from pytest_mieb.embedding.chunks import Share, chunk_size
from pytest_mieb.embedding.claims import Claim
from pytest_mieb.models.errors import ModelError
from tests.embedding.test_pipeline import Toy, texts
from tests.processes import ended

VALUES = [f"{number:03}" + "x" * (number % 5) for number in range(100)]
# With batches of one item a chunk has 16 of them.
CHUNKS = 7


@pytest.mark.parametrize(
    ("n_items", "batch_size", "size"),
    [(1, 64, 1024), (10_000, 64, 1024), (100_000, 64, 1600), (1_000_000, 64, 4096), (1_000_000, 1, 64)],
)
def test_a_chunk_is_a_part_of_the_whole_within_limits(n_items: int, batch_size: int, size: int) -> None:
    assert chunk_size(n_items, batch_size) == size
    assert size % batch_size == 0


def pipeline(folder: Path, toy: Toy | None = None, run_id: str = "run", **options: Any) -> Pipeline:
    claims = Claims(folder / "claims", run_id)
    return Pipeline(toy or Toy(), Store(folder / "store"), 1, claims=claims, **options)


def claimed(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "claims").glob("*/*"))


def test_one_alone_does_all_and_leaves_no_claim(tmp_path: Path) -> None:
    toy = Toy()
    found = pipeline(tmp_path, toy).embed(texts(*VALUES))
    assert found[:, 0].tolist() == list(map(len, VALUES))
    assert sorted(toy.seen) == VALUES
    assert claimed(tmp_path) == []


def test_two_at_once_embed_every_item_once(tmp_path: Path) -> None:
    toys = [Toy(), Toy()]
    found: list[NDArray[np.float32]] = []

    def run(toy: Toy) -> None:
        found.append(pipeline(tmp_path, toy).embed(texts(*VALUES)))

    threads = [Thread(target=run, args=(toy,)) for toy in toys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(toys[0].seen + toys[1].seen) == VALUES
    np.testing.assert_array_equal(found[0], found[1])
    assert claimed(tmp_path) == []


def test_what_another_embeds_is_waited_for_and_counts_as_found(tmp_path: Path) -> None:
    inputs = texts(*VALUES)
    other = pipeline(tmp_path)
    (stream,) = other.plan([Wanted(inputs)]).streams
    assert other.executor._claims  # type: ignore[attr-defined]
    share = Share(stream, 1, other.executor._claims)  # type: ignore[attr-defined]
    part = next(share.parts(16))
    waited: list[int] = []

    def idle() -> bool:
        """While it is waited, the other embeds its chunk."""
        waited.append(len(claimed(tmp_path)))
        other.executor._claims.close()  # type: ignore[attr-defined]
        Pipeline(Toy(), Store(tmp_path / "store"), 1).embed(texts(*(VALUES[item.row] for item in part.items)))
        return True

    toy = Toy()
    mine = pipeline(tmp_path, toy, idle=idle)
    assert mine.embed(inputs)[:, 0].tolist() == list(map(len, VALUES))
    assert waited == [1]
    assert sorted(toy.seen) == VALUES[16:]
    assert (mine.counts.embedded, mine.counts.reused) == (84, 16)


def test_a_helper_embeds_what_nobody_is_at_and_counts_it_apart(tmp_path: Path) -> None:
    helper, inputs = pipeline(tmp_path), [Wanted(texts(*VALUES))]
    assert helper.help(inputs, most=1) == 16
    assert helper.help(inputs, most=1) == 16
    assert helper.help(inputs) == 68
    assert helper.help(inputs) == 0
    assert (helper.helped, helper.counts.embedded, helper.counts.reused) == (100, 0, 0)
    mine = pipeline(tmp_path)
    mine.fill(inputs)
    assert (mine.counts.embedded, mine.counts.reused) == (0, 100)


class Failing(Toy):
    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if any(text.startswith("050") for text in texts):
            raise ValueError("no")
        return super().embed_texts(texts)


def test_what_fails_for_a_helper_is_left_to_whose_task_it_is(tmp_path: Path) -> None:
    inputs = texts(*VALUES)
    assert pipeline(tmp_path, Failing()).help([Wanted(inputs)]) == 99
    assert claimed(tmp_path) == []
    with pytest.raises(EmbeddingError, match="the model fails for the text '050'"):
        pipeline(tmp_path, Failing()).embed(inputs)


def test_a_model_that_stops_lets_go_of_its_claims(tmp_path: Path) -> None:
    class Stopping(Toy):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if len(self.batches) == 20:
                raise ModelError("may cost too much")
            return super().embed_texts(texts)

    with pytest.raises(ModelError):
        pipeline(tmp_path, Stopping()).embed(texts(*VALUES))
    assert claimed(tmp_path) == []


def test_what_was_begun_and_never_asked_for_is_left_to_others(tmp_path: Path) -> None:
    mine = pipeline(tmp_path)
    mine.begin([Wanted(texts(*VALUES))])
    assert claimed(tmp_path) == ["0"]
    mine.embed(texts("another"))
    assert claimed(tmp_path) == []
    mine.begin([Wanted(texts(*VALUES))])
    mine.close()
    assert claimed(tmp_path) == []


def test_a_model_that_gives_the_same_for_all_is_told_by_everyone(tmp_path: Path) -> None:
    class Same(Toy):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.ones((len(texts), 2), np.float32)

    told: list[str] = []

    def run() -> None:
        with pytest.raises(EmbeddingError) as raised:
            pipeline(tmp_path, Same()).embed(texts(*VALUES))
        told.append(str(raised.value))

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 2
    assert all("the same embedding for all" in each for each in told)


@pytest.mark.parametrize("n_same", [3, 16, 40])
def test_some_of_the_same_in_a_chunk_of_ones_own_are_no_error(tmp_path: Path, n_same: int) -> None:
    class Cutting(Toy):
        """It sees the first letter only."""

        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            self.note(list(texts))
            return np.array([[1, ord(text[0])] for text in texts], np.float32)

    inputs = texts(*(f"a{number}" for number in range(n_same)), *(f"b{number}" for number in range(n_same)))
    found: list[NDArray[np.float32]] = []
    threads = [Thread(target=lambda: found.append(pipeline(tmp_path, Cutting()).embed(inputs))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [each[:, 1].tolist() for each in found] == [[97.0] * n_same + [98.0] * n_same] * 2


def dead_on_chunk(folder: Path, inputs: Inputs, deaths: int) -> None:
    """Leave the claim of a process that died of the first chunk."""
    (stream,) = pipeline(folder).plan([Wanted(inputs)]).streams
    path = folder / "claims" / stream.name / "0"
    path.parent.mkdir(parents=True)
    claim = Claim(socket.gethostname(), ended(), "run", "16 texts", deaths)
    path.write_text(json.dumps(vars(claim)), encoding="utf-8")


def test_the_chunk_of_one_that_died_is_embedded_by_the_next(tmp_path: Path) -> None:
    inputs = texts(*VALUES)
    dead_on_chunk(tmp_path, inputs, deaths=0)
    assert len(pipeline(tmp_path).embed(inputs)) == 100
    assert claimed(tmp_path) == []


def test_a_chunk_of_which_two_died_is_told_with_its_items(tmp_path: Path) -> None:
    inputs = texts(*VALUES)
    dead_on_chunk(tmp_path, inputs, deaths=1)
    with pytest.raises(EmbeddingError) as raised:
        pipeline(tmp_path).embed(inputs)
    assert str(raised.value) == (
        "2 processes died while they embedded 16 text inputs, the text '000' to the text '015'; embed a few of these "
        "alone to see which the model or the machine cannot take"
    )
    assert len(pipeline(tmp_path, run_id="another run").embed(inputs)) == 100
