"""What is to be embedded: of many inputs the distinct items that the store lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.inputs import Inputs, Modality
from pytest_mieb.data.keys import BYTES, Keys
from pytest_mieb.embedding.errors import name_of
from pytest_mieb.embedding.store import Store
from pytest_mieb.models.embedder import Embedder


class Item(NamedTuple):
    """One item: which of the inputs it belongs to, and its row there."""

    inputs: int
    row: int


@dataclass(frozen=True, eq=False)
class View:
    """The model as it embeds for one purpose, and where that is stored; `others` are the same on other devices."""

    embedder: Embedder
    store: Store
    others: tuple[Embedder, ...] = ()


@dataclass(frozen=True, eq=False)
class Stream:
    """Distinct items of one modality that one view of the model embeds.

    `which` and `row`, shape (n,), say for each item which of `inputs` it is of, and its row there. `missing`, shape
    (m,), ascending, are those that the store lacked when it was planned; of the others, `present` has the positions.
    `free`: they may be embedded in any order, so that those of like length go together.
    """

    view: View
    modality: Modality
    inputs: Sequence[Inputs]
    which: NDArray[np.int64]
    row: NDArray[np.int64]
    missing: NDArray[np.int64]
    present: NDArray[np.int64]
    free: bool = True

    def __len__(self) -> int:
        return len(self.missing)

    def is_like(self, other: Stream) -> bool:
        """Whether both are the same items in the same order, for the same view."""
        return (
            self.view is other.view
            and len(self.inputs) == len(other.inputs)
            and all(mine is theirs for mine, theirs in zip(self.inputs, other.inputs, strict=True))
            and np.array_equal(self.which, other.which)
            and np.array_equal(self.row, other.row)
        )

    @cached_property
    def name(self) -> str:
        """What it is called in all processes that plan the same."""
        digest = blake2b(digest_size=16)
        folder = self.view.store.folder
        digest.update(f"{self.view.embedder.fingerprint} {folder and folder.name}".encode())
        digest.update(np.ascontiguousarray(self.keys_of(np.arange(len(self.row)))).tobytes())
        return digest.hexdigest()

    def items(self, numbers: NDArray[np.int64]) -> list[Item]:
        return list(map(Item, self.which[numbers].tolist(), self.row[numbers].tolist()))

    def keys(self, items: Sequence[Item]) -> Keys:
        return np.array([self.inputs[item.inputs].keys[item.row] for item in items])

    def keys_of(self, numbers: NDArray[np.int64]) -> Keys:
        which, row = self.which[numbers], self.row[numbers]
        found = np.empty(len(numbers), dtype=f"V{BYTES}")
        for each in np.unique(which):
            found[which == each] = self.inputs[each].keys[row[which == each]]
        return found

    def longest_first(self, items: Sequence[Item]) -> list[Item]:
        """Texts of like length together: short ones are computed as wide as the longest beside them."""
        if self.modality == "image" or not self.free:
            return list(items)
        texts = [(self.inputs[item.inputs].texts or ())[item.row] for item in items]
        lengths = self.view.embedder.text_lengths(texts)
        return [items[place] for place in np.argsort(-np.asarray(lengths), kind="stable")]

    def described(self, items: Sequence[Item]) -> str:
        """The items by the first and the last of them, as people look for them."""
        names = [name_of(self.inputs[item.inputs], item.row) for item in (items[0], items[-1])]
        return f"{len(items)} {self.modality} inputs, {names[0]} to {names[1]}"


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

    With `order`, a seed, all comes in a random order, to see whether the model cares.
    """
    groups: dict[tuple[int, Modality], list[tuple[Inputs, View]]] = {}
    for inputs, view in wanted:
        groups.setdefault((id(view), inputs.modality), []).append((inputs, view))
    streams, reused = [], 0
    for (_, modality), members in groups.items():
        stream = _stream(members[0][1], modality, [inputs for inputs, _ in members], order)
        reused += len(stream.present)
        if len(stream):
            streams.append(stream)
    return Plan(tuple(streams), reused)


def _stream(view: View, modality: Modality, inputs: Sequence[Inputs], order: int | None) -> Stream:
    keys = np.concatenate([each.keys for each in inputs])
    which = np.repeat(np.arange(len(inputs)), list(map(len, inputs)))
    row = np.concatenate([np.arange(len(each)) for each in inputs])
    first = distinct(keys)
    if order is not None:
        first = first[np.random.default_rng(order).permutation(len(first))]
    positions = view.store.lookup(keys[first])
    missing, present = np.flatnonzero(positions < 0), positions[positions >= 0]
    return Stream(view, modality, inputs, which[first], row[first], missing, present, free=order is None)


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
