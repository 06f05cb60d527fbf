"""A stream cut into chunks, of which a process takes one after the other that no other process has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pytest_mieb.embedding.claims import Claims, Taken
from pytest_mieb.embedding.errors import EmbeddingError
from pytest_mieb.embedding.plan import Item, Stream

# How many batches a chunk has: as many as make this many chunks of a stream, within limits. What is done is written
# chunk by chunk, and what is lost where a process is killed is one of them.
_CHUNKS, _FEWEST, _MOST = 64, 16, 64
# A chunk at which so many processes of one run have died is not tried again.
_DEADLY = 2


def chunk_size(n_items: int, batch_size: int) -> int:
    """How many items a chunk has, the same in all processes."""
    batches = -(-n_items // (batch_size * _CHUNKS))
    return batch_size * min(max(batches, _FEWEST), _MOST)


@dataclass(frozen=True)
class Chunk:
    """A part of a stream that this process embeds; `taken` is its claim, where other processes may be at work."""

    number: int
    taken: Taken | None = None


@dataclass(frozen=True)
class Part:
    """Items for one batch; `ends` is the chunk that is done with them, if one is."""

    items: Sequence[Item]
    ends: Chunk | None = None


class Share:
    """What this process embeds of a stream, chunk by chunk.

    `others` are the numbers of chunks that another process had when their turn came. `numbers`: these chunks only; by
    default, where it is not `narrowed`, all that the stream lacks. `most`: no more chunks than that.
    """

    def __init__(
        self,
        stream: Stream,
        batch_size: int,
        claims: Claims | None,
        numbers: Sequence[int] | None = None,
        most: int | None = None,
    ) -> None:
        self.stream = stream
        self.others: list[int] = []
        self.narrowed = numbers is not None or most is not None
        self._batch_size, self._claims, self._most = batch_size, claims, most
        self._size = chunk_size(len(stream.row), batch_size)
        self._numbers = np.unique(stream.missing // self._size).tolist() if numbers is None else list(numbers)
        self._open: dict[int, Chunk] = {}

    def again(self) -> Share:
        """What others had, which may be free by now."""
        return Share(self.stream, self._batch_size, self._claims, self.others)

    def parts(self, size: int) -> Iterator[Part]:
        """The items of one chunk after the other, `size` at a time; a chunk is claimed when its first are asked for.

        Raises:
            EmbeddingError: several processes of this run have died of a chunk.
        """
        done = 0
        for number in self._numbers:
            if done == self._most:
                return
            chunk = self._claimed(number)
            if chunk is None:
                self.others.append(number)
                continue
            items = self.stream.longest_first(self._missing(chunk))
            for start in range(0, len(items), size):
                ends = start + size >= len(items)
                yield Part(items[start : start + size], chunk if ends else None)
            if not items:
                self.done(chunk)
            done += bool(items)

    def done(self, chunk: Chunk) -> None:
        """Let go of a chunk whose items are stored, or are left to others."""
        self._open.pop(chunk.number, None)
        if chunk.taken and self._claims:
            self._claims.release(chunk.taken)

    def let_go(self) -> None:
        """Leave to others what is not done."""
        for chunk in list(self._open.values()):
            self.done(chunk)

    def _claimed(self, number: int) -> Chunk | None:
        if self._claims is None:
            return Chunk(number)
        name = f"{self.stream.name}/{number}"
        died = self._claims.deaths(name)
        items = self._items(number)
        if died >= _DEADLY:
            raise EmbeddingError(
                f"{died} processes died while they embedded {self.stream.described(items)}; embed a few of these alone "
                "to see which the model or the machine cannot take"
            )
        taken = self._claims.take(name, self.stream.described(items))
        if taken is None:
            return None
        self._open[number] = Chunk(number, taken)
        return self._open[number]

    def _items(self, number: int) -> list[Item]:
        first, end = np.searchsorted(self.stream.missing, [number * self._size, (number + 1) * self._size])
        return self.stream.items(self.stream.missing[first:end])

    def _missing(self, chunk: Chunk) -> list[Item]:
        """What is still to be embedded: another process may have done it since the stream was planned."""
        items = self._items(chunk.number)
        if chunk.taken is None:
            return items
        found = self.stream.view.store.lookup(self.stream.keys(items))
        return [item for item, position in zip(items, found, strict=True) if position < 0]
