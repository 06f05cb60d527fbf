"""Embedding for tasks of other processes, or of later: what a process does that has nothing else to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_mieb.data import DatasetError
from pytest_mieb.runtime.evaluation import prepare, wanted_by

if TYPE_CHECKING:
    from pytest_mieb.data import Source
    from pytest_mieb.embedding import Pipeline, Wanted
    from pytest_mieb.suite import Task


class Helping:
    """Embeds what nobody else is at, for one task after the other.

    Args:
        tasks: those that may lack something, the longest first.
        is_done: whether a task has been scored, by whatever process.
    """

    def __init__(
        self, tasks: Sequence[Task], source: Source, pipeline: Pipeline, is_done: Callable[[Task], bool]
    ) -> None:
        self._left = list(tasks)
        self._source, self._pipeline, self._is_done = source, pipeline, is_done
        self._begun: tuple[Task, list[Wanted]] | None = None

    def one_chunk(self) -> bool:
        """Embed a little; False where nothing is left."""
        while self._left:
            if self._pipeline.help(self._wanted(self._left[0]), most=1):
                return True
            self._left.pop(0)
        return False

    def everything(self) -> None:
        """Embed until nothing is left that nobody else is at."""
        for task in self._left:
            self._pipeline.help(self._wanted(task))
        self._left = []

    def _wanted(self, task: Task) -> list[Wanted]:
        if self._begun is None or self._begun[0] is not task:
            wanted: list[Wanted] = []
            if not self._is_done(task):
                with suppress(DatasetError):  # whoever runs the task says so
                    wanted = wanted_by(prepare(task, subset, self._source) for subset in task.subsets)
            self._begun = task, wanted
        return self._begun[1]
