"""The data of the next task, read while the present one is embedded and scored."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from pytest_mieb.runtime.evaluation import Prepared, prepare

if TYPE_CHECKING:
    from pytest_mieb.data import Source
    from pytest_mieb.suite import Task


class Ahead:
    """One thread that prepares what is expected next."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mieb-ahead")
        self._expected: tuple[str, Future[list[Prepared]]] | None = None

    def expect(self, task: Task) -> None:
        """Begin to prepare a task."""
        self._expected = task.name, self._pool.submit(_prepared, task, self._source)

    def take(self, task: Task) -> list[Prepared]:
        """All subsets of a task, prepared by now or here. Raises DatasetError."""
        expected, self._expected = self._expected, None
        if expected and expected[0] == task.name:
            try:
                return expected[1].result()
            except Warning:  # raised where a test's filters make errors of warnings; ours do not, here
                pass
        return _prepared(task, self._source)

    def ready(self) -> list[Prepared]:
        """What was expected, where it is prepared by now; else nothing."""
        if self._expected is None or not self._expected[1].done() or self._expected[1].exception():
            return []
        return self._expected[1].result()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _prepared(task: Task, source: Source) -> list[Prepared]:
    return [prepare(task, subset, source) for subset in task.subsets]
