"""Where a run is shown while it lasts, and how that keeps out of the way of what pytest prints."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from pytest_mieb.plugin.region import Region, write
from pytest_mieb.report.course import Snapshot
from pytest_mieb.report.progress import live, plain, rendered


class Display(Protocol):
    """Shows a run at once, and every `pause` seconds; the first time after `first`."""

    first: float
    pause: float

    def draw(self, snapshot: Snapshot) -> None: ...

    def give_way(self, text: str) -> bool:
        """Make room for what pytest is about to write; whether the run should be shown again soon."""
        ...

    def close(self) -> None: ...


class Below:
    """Below what pytest prints on a terminal, of which `descriptor` is this object's own."""

    def __init__(self, descriptor: int, writer: Any, *, encoding: str, first: float = 1.0, pause: float = 0.5) -> None:
        self._region, self._writer, self._encoding = Region(descriptor, encoding), writer, encoding
        self.first, self.pause = first, pause

    def draw(self, snapshot: Snapshot) -> None:
        """Nothing is shown while pytest's line ends at the edge: the place behind it cannot be come back to."""
        columns, written = self._region.size.columns, self._writer.width_of_current_line
        if written > 0 and written % columns == 0:
            self._region.hide()
            return
        width = columns - 1
        lines = rendered(live(snapshot, width), width, encoding=self._encoding, colour=self._writer.hasmarkup)
        self._region.show(lines)

    def give_way(self, text: str) -> bool:
        shown = self._region.shown
        self._region.hide()
        return shown

    def close(self) -> None:
        self._region.close()


class Between:
    """Lines of their own among what pytest prints in a log.

    A line that pytest had begun is taken up again behind them: with its text where that is a test's name (`whole`),
    else at the same column.
    """

    def __init__(
        self, descriptor: int, *, encoding: str, whole: bool, first: float | None = None, pause: float = 60.0
    ) -> None:
        self._descriptor, self._encoding, self._whole = descriptor, encoding, whole
        self.first, self.pause = pause if first is None else first, pause
        self._begun, self._interrupted = "", False

    def draw(self, snapshot: Snapshot) -> None:
        end = "\n" if self._begun and not self._interrupted else ""
        self._write(f"{end}{plain(snapshot)}\n")
        self._interrupted = bool(self._begun)

    def give_way(self, text: str) -> bool:
        if self._interrupted and not text.startswith("\n"):
            self._write(self._begun if self._whole else " " * len(self._begun))
        self._interrupted = False
        self._begun = text.rpartition("\n")[2] if "\n" in text else self._begun + text
        return False

    def close(self) -> None:
        os.close(self._descriptor)

    def _write(self, text: str) -> None:
        write(self._descriptor, text, self._encoding)


@contextmanager
def in_turn(writer: Any, lock: threading.RLock, before: Callable[[str], object]) -> Iterator[None]:
    """Meanwhile whatever is written through pytest's terminal writer waits for `lock`, and tells `before` first.

    It is written through at once, since others write to the same terminal.
    """
    own_write, own_raw = writer.write, writer.write_raw

    def write(text: str, *, flush: bool = False, **markup: bool) -> None:
        with lock:
            before(text)
            own_write(text, flush=True, **markup)

    def write_raw(text: str, *, flush: bool = False) -> None:
        with lock:
            before("")
            own_raw(text, flush=True)

    writer.flush()
    writer.write, writer.write_raw = write, write_raw
    try:
        yield
    finally:
        with lock:
            del writer.write, writer.write_raw
