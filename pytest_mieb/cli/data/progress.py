"""How far a fetch or a check is: a bar in a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pytest_mieb.support.sizes import size_shown

_SECONDS_BETWEEN_LINES = 10.0


class Shown:
    """Progress on standard error; the listener of a fetch, and of a check.

    Args:
        what: is done to files, such as "fetching".
        stream: where it is shown; standard error where it is not given.
    """

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self.what, self.stream = what, stream or sys.stderr
        self.console = Console(file=self.stream, soft_wrap=True)
        bar = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._bars = Progress(*bar, console=self.console, transient=True) if self.console.is_terminal else None
        self._bar: TaskID | None = None
        self._lock = threading.Lock()
        self._asked = self._datasets = self._files = self._all_files = self._bytes = self._all_bytes = 0
        self._told = time.monotonic()

    def __enter__(self) -> Shown:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()

    def warn(self, sentence: str) -> None:
        self.console.print(sentence, markup=False, highlight=False)

    def listing(self, datasets: int) -> None:
        self._datasets = datasets
        self._begin(f"asking for {datasets} datasets", datasets)

    def listed(self, path: str) -> None:
        with self._lock:
            self._asked += 1
        self._show(self._asked, f"asked for {self._asked} of {self._datasets} datasets")

    def starting(self, files: int, n_bytes: int) -> None:
        self._all_files, self._all_bytes = files, n_bytes
        self._begin(f"{self.what} {files:,} files", n_bytes)

    def moved(self, n_bytes: int) -> None:
        with self._lock:
            self._bytes += n_bytes
        self._show(
            self._bytes,
            f"{self.what}: {size_shown(self._bytes)} of {size_shown(self._all_bytes)}, {self._files:,} of "
            f"{self._all_files:,} files",
        )

    def finished(self, path: str, name: str) -> None:
        with self._lock:
            self._files += 1

    def _begin(self, description: str, total: int) -> None:
        if self._bars:
            if self._bar is not None:
                self._bars.remove_task(self._bar)
            self._bar = self._bars.add_task(description, total=total)
        else:
            self.warn(description)
            self._told = time.monotonic()

    def _show(self, completed: int, line: str) -> None:
        if self._bars and self._bar is not None:
            self._bars.update(self._bar, completed=completed)
            return
        with self._lock:
            if time.monotonic() - self._told < _SECONDS_BETWEEN_LINES:
                return
            self._told = time.monotonic()
        self.warn(line)
