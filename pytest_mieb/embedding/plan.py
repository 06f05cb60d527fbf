"""What is to be embedded: of many inputs the distinct items that the store lacks, in the order they are embedded in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.inputs import Inputs, Modality
from pytest_mieb.data.keys import Keys
from pytest_mieb.embedding.store import Store
from pytest_mieb.models.embedder import Embedder

# Whoever counts tokens holds all of so many texts in memory.
_TEXTS_AT_ONCE = 1024


class Item(NamedTuple):
    """One item: which of the inputs it belongs to, and its row there."""

    inputs: int
    row: int


@dataclass(frozen=True, eq=False)
class View:
    """The model as it embeds for one purpose, and where that is stored."""

    embedder: Embedder
    store: Store


@dataclass(frozen=True, eq=False)
class Stream:
    """Items of one modality that one view of the model embeds one after the other.

    `which` and `row`, shape (n,), say for each item which of `inputs` it is of, and its row there. `present`, shape
    (m,), are the positions in the store of what was embedded before.
    """

    view: View
    modality: Modality
    inputs: Sequence[Inputs]
    which: NDArray[np.int64]
    row: NDArray[np.int64]
    present: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)

    def is_like(self, other: Stream) -> bool:
        """Whether both are the same items in the same order, for the same view."""
        return (
            self.view is other.view
            and len(self.inputs) == len(other.inputs)
            and all(mine is theirs for mine, theirs in zip(self.inputs, other.inputs, strict=True))
            and np.array_equal(self.which, other.which)
            and np.array_equal(self.row, other.row)
        )

    def chunks(self, size: int) -> Iterator[Sequence[Item]]:
        """The items in order, `size` at a time; the last ones may be fewer."""
        for start in range(0, len(self), size):
            some = slice(start, start + size)
            yield list(map(Item, self.which[some].tolist(), self.row[some].tolist()))

    def keys(self, items: Sequence[Item]) -> Keys:
        return np.array([self.inputs[item.inputs].keys[item.row] for item in items])

    def texts(self) -> list[str]:
        return [(self.inputs[which].texts or ())[row] for which, row in zip(self.which, self.row, strict=True)]


@dataclass(frozen=True)
class Plan:
    """Streams to embed; `reused` counts the distinct items that need not be."""

    streams: tuple[Stream, ...]
    reused: int

    @property
    def missing(self) -> int:
        """How many items are to be embedded."""
        return sum(map(len, self.streams))


def plan(wanted: Sequence[tuple[Inputs, View]], order: int | None = None) -> Plan:
    """Plan what `wanted` inputs need.

    Texts come with the longest first: texts of like length then go together, since short ones are computed as wide as
    the longest beside them; and if the device has no room for the longest, that shows at once. With `order`, a seed,
    all comes in a random order instead, to see whether the model cares.
    """
    groups: dict[tuple[int, Modality], list[tuple[Inputs, View]]] = {}
    for inputs, view in wanted:
        groups.setdefault((id(view), inputs.modality), []).append((inputs, view))
    streams, reused = [], 0
    for (_, modality), members in groups.items():
        stream, known = _stream(members[0][1], modality, [inputs for inputs, _ in members])
        reused += known
        if len(stream):
            streams.append(_ordered(stream, order))
    return Plan(tuple(streams), reused)


def _stream(view: View, modality: Modality, inputs: Sequence[Inputs]) -> tuple[Stream, int]:
    keys = np.concatenate([each.keys for each in inputs])
    which = np.repeat(np.arange(len(inputs)), list(map(len, inputs)))
    row = np.concatenate([np.arange(len(each)) for each in inputs])
    first = distinct(keys)
    positions = view.store.lookup(keys[first])
    missing = first[positions < 0]
    present = positions[positions >= 0]
    return Stream(view, modality, inputs, which[missing], row[missing], present), len(present)


def distinct(keys: Keys) -> NDArray[np.int64]:
    """The first row of each distinct key, ascending."""
    halves = np.ascontiguousarray(keys).view(np.uint64).reshape(-1, 2)
    if not len(halves):
        return np.empty(0, dtype=np.int64)
    order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: of equal keys the first row comes first
    ranked = halves[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
    return np.sort(order[new])


def _ordered(stream: Stream, order: int | None) -> Stream:
    if order is not None:
        rank = np.random.default_rng(order).permutation(len(stream))
    elif stream.modality == "image":
        return stream
    else:
        texts, lengths = stream.texts(), list[int]()
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            lengths += stream.view.embedder.text_lengths(texts[start : start + _TEXTS_AT_ONCE])
        rank = np.argsort(-np.asarray(lengths), kind="stable")
    return Stream(stream.view, stream.modality, stream.inputs, stream.which[rank], stream.row[rank], stream.present)
