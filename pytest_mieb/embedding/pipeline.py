"""From inputs to embeddings: planned, filled by an executor, and taken from the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.embedding.claims import Claims
from pytest_mieb.embedding.executors import Executor, InProcess
from pytest_mieb.embedding.keeping import all_same, contrast, same_for_all
from pytest_mieb.embedding.plan import Plan, View, distinct, plan
from pytest_mieb.embedding.processes import Processes
from pytest_mieb.embedding.reading import Reader
from pytest_mieb.embedding.store import Store
from pytest_mieb.models.embedder import Embedder, Purpose
from pytest_mieb.support.seconds import Seconds


@dataclass(frozen=True)
class Counts:
    """Distinct items that the model embedded, those that it need not, and the time that filling the store took."""

    embedded: int = 0
    reused: int = 0
    seconds: Seconds = field(default_factory=Seconds)

    def __sub__(self, before: Counts) -> Counts:
        return Counts(self.embedded - before.embedded, self.reused - before.reused, self.seconds - before.seconds)


class Wanted(NamedTuple):
    """Inputs, and what they are embedded for."""

    inputs: Inputs
    purpose: Purpose | None = None


class Pipeline:
    """Embeds inputs with one model, every distinct item once; what it has embedded is kept in `store`.

    A model that is told what an embedding is for keeps what it embeds otherwise in a part of the store of its own.
    `goal` is how many items it will have embedded when what is filled now, or was last, is.

    Args:
        store: None keeps everything in memory.
        batch_size: of every batch; see `encoding.Encoder`.
        order: a seed; inputs then come in a random order, to see whether the model cares.
        threads: how many read ahead.
        processes: how many decode and preprocess beside this one, where there is much to do; 0 leaves it to threads.
        warn: told what does not stop the work.
        replicas: the same model on other devices.
        claims: by which it shares the work with other processes that have the same store; None: it does all of it.
        idle: see `executors.InProcess`.
        executor: who embeds; by default this process.
    """

    def __init__(
        self,
        embedder: Embedder,
        store: Store | None = None,
        batch_size: int = 64,
        order: int | None = None,
        *,
        threads: int = 1,
        processes: int = 0,
        warn: Callable[[str], None] = print,
        replicas: Sequence[Embedder] = (),
        claims: Claims | None = None,
        idle: Callable[[], bool] = lambda: False,
        executor: Executor | None = None,
    ) -> None:
        self.embedder = embedder
        reader = Reader(threads, Processes(processes) if processes else None)
        self.executor = executor or InProcess(batch_size, reader, warn, claims, idle)
        self._order = order
        self._replicas = tuple(replicas)
        self._whole = View(embedder, Store(None, warn) if store is None else store, self._replicas)
        self._views: dict[str, View] = {}
        self._by_purpose: dict[Purpose, View] = {}
        self._reused = self.helped = 0
        self.goal = 0

    @property
    def counts(self) -> Counts:
        """What it has done so far for what it was asked for itself; `helped` counts what it embedded for others."""
        return Counts(self.executor.embedded - self.helped, self._reused, self.executor.seconds)

    def plan(self, wanted: Sequence[Wanted]) -> Plan:
        """What the store lacks of these inputs.

        An image with its text goes to the model as one where it takes both together; for all other models they are two
        items.
        """
        parts = [(part, self._view(purpose)) for inputs, purpose in wanted for part in self._parts(inputs)]
        return plan(parts, self._order)

    def fill(self, wanted: Sequence[Wanted]) -> None:
        """Embed what the store lacks of these inputs. Raises as `Executor.fill` does."""
        planned = self.plan(wanted)
        self._reused += planned.reused
        before = self.counts.embedded
        self.goal = self.executor.embedded + planned.missing
        self.executor.fill(planned)
        self._reused += planned.missing - (self.counts.embedded - before)  # others did

    def help(self, wanted: Sequence[Wanted], most: int | None = None) -> int:
        """Embed of these inputs what nobody else is at, and say how many items that were; see `Executor.help`."""
        embedded = self.executor.help(self.plan(wanted), most)
        self.helped += embedded
        return embedded

    def begin(self, wanted: Sequence[Wanted]) -> None:
        """Let the executor begin to read what these inputs lack; they are to be filled next."""
        self.executor.begin(self.plan(wanted))

    def take(self, wanted: Wanted) -> NDArray[np.float32]:
        """The embeddings of inputs that were filled, in order, shape (n, d).

        Where a model does not take an image with its text as one, the embedding is the sum of the two.

        Raises:
            EmbeddingError: all embeddings of three or more distinct items are the same.
            LookupError: an item is not stored.
        """
        view = self._view(wanted.purpose)
        first, *others = (_taken(part, view.store) for part in self._parts(wanted.inputs))
        return first + others[0] if others else first

    def embed(self, inputs: Inputs, purpose: Purpose | None = None) -> NDArray[np.float32]:
        """The embeddings of `inputs`, as the model makes them for `purpose`. Raises as `fill` and `take` do."""
        wanted = Wanted(inputs, purpose)
        self.fill([wanted])
        return self.take(wanted)

    def close(self) -> None:
        self.executor.close()

    def _parts(self, inputs: Inputs) -> list[Inputs]:
        if inputs.modality == "interleaved" and "interleaved" not in self.embedder.modalities:
            return list(inputs.sides)
        return [inputs]

    def _view(self, purpose: Purpose | None) -> View:
        if purpose is None:
            return self._whole
        if purpose not in self._by_purpose:
            self._by_purpose[purpose] = self._view_for(purpose)
        return self._by_purpose[purpose]

    def _view_for(self, purpose: Purpose) -> View:
        embedder = self.embedder.prompted(purpose)
        if embedder is self.embedder:
            return self._whole
        name = embedder.fingerprint or blake2b(repr(purpose).encode(), digest_size=16).hexdigest()
        if name == self.embedder.fingerprint:
            return self._whole
        if name not in self._views:
            others = tuple(replica.prompted(purpose) for replica in self._replicas)
            self._views[name] = View(embedder, self._whole.store.part(name), others)
        return self._views[name]


def _taken(inputs: Inputs, store: Store) -> NDArray[np.float32]:
    keys = inputs.keys
    positions = store.lookup(keys)
    if (positions < 0).any():
        raise LookupError(f"{(positions < 0).sum()} of {len(keys)} {inputs.modality} inputs were not embedded")
    vectors = store.take(positions)
    if all_same(contrast(vectors[:3])) and (vectors == vectors[:1]).all():
        count = len(distinct(keys))
        if count > 2:
            raise same_for_all(count, inputs.modality)
    return vectors
