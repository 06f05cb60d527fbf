"""A thread that sends files, and tries again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from pytest_mieb.models.errors import first_line
from pytest_mieb.support.retrying import wait_before


class Sender:
    """Does jobs in a thread, one after the other; what fails is tried again, ever later, until it is closed."""

    def __init__(self) -> None:
        self._jobs: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self.trouble = ""

    def add(self, job: Callable[[], None]) -> None:
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()
            if not self._thread:
                self._thread = threading.Thread(target=self._run, name="mieb-sender", daemon=True)
                self._thread.start()

    def close(self, patience: float) -> int:
        """Wait, but not without end, until all is done; how many jobs are not."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread:
            self._thread.join(patience)
        return len(self._jobs)

    def _run(self) -> None:
        failed = 0
        while job := self._next():
            try:
                job()
            except Exception as error:  # told when it is closed: this thread speaks to nobody
                self.trouble = first_line(error)
                with self._changed:
                    if self._closing:
                        return
                    self._jobs.rotate(-1)
                    self._changed.wait_for(lambda: self._closing, wait_before(failed, {}))
                failed += 1
            else:
                failed, self.trouble = 0, ""
                with self._changed:
                    self._jobs.popleft()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closing)
            return self._jobs[0] if self._jobs else None
