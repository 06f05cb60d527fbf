"""Where the time goes, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from time import perf_counter
from typing import Literal

Stage = Literal["load", "decode", "preprocess", "embed", "score"]
STAGES: tuple[Stage, ...] = ("load", "decode", "preprocess", "embed", "score")


@dataclass(frozen=True)
class Seconds:
    """Seconds of work by stage, and of what was waited for.

    `load` opens datasets and hashes what is in them, `decode` makes pictures of files, `preprocess` and `embed` are the
    model's, and `score` makes a score of embeddings. They count work, in whatever thread or process, also before the
    task's turn; a model that prepares pictures by itself does so within `embed`.

    By the clock, a task takes `total`. Of that it stands still for `waited_load` until its data are open, and for
    `waited_read` until a batch is decoded and preprocessed.
    """

    load: float = 0.0
    decode: float = 0.0
    preprocess: float = 0.0
    embed: float = 0.0
    score: float = 0.0
    waited_load: float = 0.0
    waited_read: float = 0.0
    total: float = 0.0

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: Seconds) -> Seconds:
        return Seconds(*(one - two for one, two in zip(astuple(self), astuple(other), strict=True)))

    @property
    def by_clock(self) -> dict[str, float]:
        """What `total` went to; the rest is what lies between: planning, and writing to the store."""
        parts = {
            "opening data": self.waited_load,
            "reading pictures": self.waited_read,
            "the model": self.embed,
            "scoring": self.score,
        }
        return {**parts, "other work": max(0.0, self.total - sum(parts.values()))}


class Watch:
    """A stopwatch that adds up."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds += perf_counter() - started
