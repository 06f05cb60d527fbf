"""Noise, measured: the same model on the same data, under changes that must not matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mieb.embedding import Pipeline, Store
from pytest_mieb.measurement.result import TaskResult
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.runtime.evaluation import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mieb.data import Source
    from pytest_mieb.embedding.store import Precision


@dataclass(frozen=True)
class Change:
    """One thing that is otherwise than in the run; None where it is as there."""

    batch_size: int | None = None
    order: int | None = None
    threads: int | None = None
    dtype: str | None = None
    device: str | None = None

    @property
    def name(self) -> str:
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in vars(self).items() if value is not None)


def changes(batch_size: int, threads: int, dtype: str | None, device: str | None) -> Iterator[Change]:
    """Endlessly many changes, of another kind each time: batch size, order, threads, dtype, device, and again.

    Args:
        batch_size, threads: those of the run.
        dtype, device: those of the run; None where the model cannot be loaded with another.
    """
    sizes = (size for size in count(max(1, batch_size // 2)) if size != batch_size)
    numbers = (number for number in count(1) if number != threads)
    for turn in count():
        yield Change(batch_size=next(sizes))
        yield Change(order=turn)
        yield Change(threads=next(numbers))
        if turn == 0 and dtype:
            yield Change(dtype="bfloat16" if dtype == "float32" else "float32")
        if turn == 0 and device and not device.startswith("cpu"):
            yield Change(device="cpu")


class Calibration:
    """Repeats tasks under `n` changes; what it embeds is kept in `folder` for the run, apart for every change.

    `load` loads the model anew with another dtype or device. Tasks that share a dataset embed it once a change.
    """

    def __init__(
        self,
        n: int,
        embedder: Embedder,
        load: Callable[..., Embedder] | None,
        folder: Path,
        *,
        batch_size: int,
        device: str,
        dtype: str,
        store_dtype: Precision = "float32",
    ) -> None:
        import torch

        self._embedder, self._load, self._folder = embedder, load, folder
        self._batch_size, self._device, self._store_dtype = batch_size, device, store_dtype
        own = changes(batch_size, torch.get_num_threads(), dtype if load else None, device if load else None)
        self.changes = list(islice(own, n))
        self._pipelines: dict[Change, Pipeline] = {}

    def scores(self, result: TaskResult, source: Source) -> Mapping[str, float]:
        """What a comparison of the task is about (`TaskResult.repeatable`) under each change, by the change's name."""
        return {change.name: self._score(result, source, change) for change in self.changes}

    def _score(self, result: TaskResult, source: Source, change: Change) -> float:
        with _threads(change.threads):
            return evaluate(result.task, source, self._pipeline(change), change.device or self._device).repeatable

    def _pipeline(self, change: Change) -> Pipeline:
        if change not in self._pipelines:
            place = self._folder / str(self.changes.index(change))
            size = change.batch_size or self._batch_size
            store = Store(place, precision=self._store_dtype)
            self._pipelines[change] = Pipeline(self._model(change), store, size, order=change.order)
        return self._pipelines[change]

    def _model(self, change: Change) -> Embedder:
        given: dict[str, Any] = {name: value for name in ("dtype", "device") if (value := getattr(change, name))}
        return self._load(**given) if given and self._load else self._embedder


def noise(score: float, others: Mapping[str, float]) -> float:
    """How far the score moved at most."""
    return max((abs(other - score) for other in others.values()), default=0.0)


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
