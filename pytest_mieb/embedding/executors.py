"""Who fills the store: here this process, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import sleep
from typing import Protocol

import numpy as np

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.embedding.chunks import Chunk, Share
from pytest_mieb.embedding.claims import Claims
from pytest_mieb.embedding.crew import Crew, Outcomes
from pytest_mieb.embedding.errors import EmbeddingError, failure
from pytest_mieb.embedding.keeping import Kept
from pytest_mieb.embedding.plan import Item, Plan, Stream
from pytest_mieb.embedding.reading import Batch, Reader
from pytest_mieb.support.seconds import Seconds, Watch

# How often, in seconds, it is looked whether others are done.
_PAUSE = 0.2
# After how many items that cannot be embedded it is given up: finding each takes several batches.
_FAILURES = 16


class Executor(Protocol):
    """Embeds what a plan lacks. Neither who plans nor who scores knows how."""

    @property
    def embedded(self) -> int:
        """How many items it has embedded so far."""
        ...

    @property
    def seconds(self) -> Seconds:
        """What that took: decoding, preprocessing, embedding, and waiting for what is read."""
        ...

    def fill(self, plan: Plan) -> None:
        """Embed and store all items of the plan, but for those that others are found to embed: these are waited for.

        Raises:
            DatasetError: a picture cannot be read.
            EmbeddingError: what the model gives is no embedding, or it fails for an item, or for all. What could be
                embedded is stored.
        """
        ...

    def help(self, plan: Plan, most: int | None = None) -> int:
        """Embed what nobody else is at, and return how many items that were; what fails is left to whose task it is.

        Args:
            most: no more chunks than that of one stream.
        """
        ...

    def begin(self, plan: Plan) -> None:
        """Read ahead of what will be filled next; nothing is embedded yet."""
        ...

    def close(self) -> None: ...


class InProcess:
    """This process: the model, on one device or on several, and `reader`, which reads ahead.

    Args:
        claims: by which processes that share a cache share the work; None: this one does all of it.
        idle: called while other processes embed what is asked for here; it does something else that is useful, and
            says whether there was any.
    """

    def __init__(
        self,
        size: int,
        reader: Reader,
        warn: Callable[[str], None] = print,
        claims: Claims | None = None,
        idle: Callable[[], bool] = lambda: False,
    ) -> None:
        self._reader, self._claims, self._idle = reader, claims, idle
        self._crew = Crew(size, warn)
        self._batch_size = size
        self.embedded = 0
        self.seconds = Seconds()

    def begin(self, plan: Plan) -> None:
        if plan.streams:
            self._reader.begin(self._share(plan.streams[0]), self._crew.size)

    def fill(self, plan: Plan) -> None:
        works = [_Work(self._share(stream), Kept(stream)) for stream in plan.streams]
        for work in works:
            self._do(work)
        while waiting := [work for work in works if work.share.others]:
            if not self._idle():
                sleep(_PAUSE)
            for work in waiting:
                work.share = work.share.again()
                self._do(work)

    def help(self, plan: Plan, most: int | None = None) -> int:
        works = [_Work(self._share(stream, most), Kept(stream)) for stream in plan.streams]
        for work in works:
            if most and any(work.kept.count for work in works):
                break
            with suppress(DatasetError, EmbeddingError):  # whose task it is meets it too
                self._do(work)
        return sum(work.kept.count for work in works)

    def close(self) -> None:
        self._reader.close()
        self._crew.close()
        if self._claims:
            self._claims.close()

    def _share(self, stream: Stream, most: int | None = None) -> Share:
        return Share(stream, self._batch_size, self._claims, most=most)

    def _do(self, work: _Work) -> None:
        """Embed of a stream what no other process has."""
        size, stream, kept = self._crew.size, work.share.stream, work.kept
        failed: dict[Item, Exception] = {}
        ended: list[Chunk] = []
        try:
            with self._reader.batches(work.share, size) as (work.share, batches):
                for batch, outcomes in self._timed(self._crew.embedded(stream, self._read(batches))):
                    self._keep(batch, outcomes, kept, failed)
                    if batch.ends:
                        ended.append(batch.ends)
                        if kept.write():
                            self._let_go(work.share, ended)
                    if len(failed) >= _FAILURES:
                        break
            if not failed and not work.share.others:
                kept.conclude()
        finally:
            kept.write()  # also when the model stops on the way: by a limit of cost, or Ctrl-C
            work.share.let_go()
        if failed:
            which = min(item.inputs for item in failed)
            own = {item.row: error for item, error in failed.items() if item.inputs == which}
            broken = not kept.count and not len(stream.present)
            raise failure(stream.inputs[which], own, broken=broken) from own[min(own)]

    def _timed(self, embedded: Iterator[tuple[Batch, Outcomes]]) -> Iterator[tuple[Batch, Outcomes]]:
        """The same; what it takes, less the time that was waited for batches, is the model's."""
        while True:
            taking, waited = Watch(), self.seconds.waited_read
            try:
                with taking.running():
                    found = next(embedded, None)
            finally:
                waited = self.seconds.waited_read - waited
                self.seconds += Seconds(embed=max(0.0, taking.seconds - waited))
            if found is None:
                return
            yield found

    def _let_go(self, share: Share, ended: list[Chunk]) -> None:
        for chunk in ended:
            share.done(chunk)
        ended.clear()

    def _read(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches, with the time that was waited for them."""
        while True:
            waiting = Watch()
            with waiting.running():
                batch = next(batches, None)
            self.seconds += (batch.seconds if batch else Seconds()) + Seconds(waited_read=waiting.seconds)
            if batch is None:
                return
            yield batch

    def _keep(self, batch: Batch, outcomes: Outcomes, kept: Kept, failed: dict[Item, Exception]) -> None:
        """Keep what was embedded; items that could not be read or embedded are left out."""
        failed |= batch.failed
        items: Sequence[Item] = batch.items
        if not isinstance(outcomes, np.ndarray):
            pairs = list(zip(items, outcomes, strict=True))
            failed |= {item: outcome for item, outcome in pairs if isinstance(outcome, Exception)}
            sound = [(item, outcome) for item, outcome in pairs if not isinstance(outcome, Exception)]
            if not sound:
                return
            items, outcomes = [item for item, _ in sound], np.stack([vector for _, vector in sound])
        kept.add(items, outcomes)
        self.embedded += len(items)


@dataclass
class _Work:
    """A stream on its way: what this process has of it, and what came of that."""

    share: Share
    kept: Kept
