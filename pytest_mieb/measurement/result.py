"""The result of a task as it was just scored, with every example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.findings import Finding, summed
from pytest_mieb.protocols import Scored
from pytest_mieb.suite import Task
from pytest_mieb.support.seconds import Seconds


@dataclass(frozen=True)
class SubsetResult:
    """The score of one subset, 0..1, with the metrics, details and outcomes of its `Scored`.

    `clusters`, shape (n,), gives examples that are not independent of each other the same number, across the subsets
    of the task; None where all are. `digest` is a hash of the examples and of the truth about them. `findings` are what
    of the data does not fit. `other_sizes` maps a split or subset that has another number of rows than the card expects
    to the two numbers.
    """

    score: float
    scored: Scored
    sizes: Mapping[str, int]
    clusters: NDArray[np.int64] | None = None
    digest: str = ""
    findings: tuple[Finding, ...] = ()
    other_sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def n_examples(self) -> int:
        return len(self.scored.outcomes)

    @property
    def repeatable(self) -> float:
        """What is measured again where one fit says little: the mean over repeated fits; elsewhere the score."""
        repeats = self.scored.repeats
        return self.score if repeats is None else float(repeats.scores.mean())


@dataclass(frozen=True)
class TaskResult:
    """The score of a task, 0..1: the plain mean of its subsets.

    `taken_over`: an earlier run scored it, and nothing has changed since. `embedded` and `reused` count distinct
    inputs, `seconds` the time by stage.
    """

    task: Task
    score: float
    subsets: Mapping[str, SubsetResult]
    embedded: int
    reused: int
    seconds: Seconds
    taken_over: bool = False

    @property
    def repeatable(self) -> float:
        """The score as a comparison is about it; see `SubsetResult`."""
        return float(np.mean([subset.repeatable for subset in self.subsets.values()]))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What of the data does not fit, over all subsets."""
        return summed(each for subset in self.subsets.values() for each in subset.findings)
