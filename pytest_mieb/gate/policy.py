"""What a run is judged by: the smallest drop that matters, the rate of false alarms, and what is tested at once."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pytest_mieb.measurement.baseline import Measurement
from pytest_mieb.suite import CATEGORIES, Task
from pytest_mieb.suite.means import OVERALL, by_group, group_of, overall_weights

TOLERANCE = 0.005
ALPHA = 0.05
MEANS = "means"
Kind = Literal["significance", "non-inferiority"]
KINDS: tuple[Kind, ...] = ("significance", "non-inferiority")


@dataclass(frozen=True)
class Policy:
    """The rules of one run; scores and tolerances 0..1.

    `significance` fails what lost more than its tolerance where chance does not explain it; `non-inferiority` what was
    not shown to have lost less. `named` holds tolerances of categories, of tasks, and of all means (`means`).
    """

    kind: Kind = "significance"
    alpha: float = ALPHA
    tolerance: float = TOLERANCE
    named: Mapping[str, float] = field(default_factory=dict)
    strict_context: bool = False

    def tolerance_of(self, task: Task, recorded: Measurement) -> float:
        """Of one task: what was given for it by name, else what stands in the baseline, else its category's, else the
        run's; never below the measured noise.
        """
        chosen = self.named.get(task.name, recorded.tolerance)
        if chosen is None:
            chosen = self.named.get(task.category, self.tolerance)
        return max(chosen, recorded.noise)

    def tolerance_of_mean(self, category: str | None = None, noise: float = 0.0) -> float:
        """Of the mean of a category, or of all: half a task's, for small drops of many tasks are what it is to see;
        never below the mean's own `noise`.
        """
        return max(self.named.get(MEANS, self.named.get(category or "", self.tolerance) / 2), noise)


def parse_policy(
    kind: str | None,
    alpha: str | None,
    tolerances: Iterable[str],
    *,
    strict_context: bool = False,
    prefix: str = "--",
) -> Policy:
    """The policy that a user wrote; None is the default. A tolerance is POINTS or NAME=POINTS, the last one wins.

    Raises:
        ValueError: a value is wrong; the sentence names it as the option `prefix` + name, and the legal ones.
    """
    chosen = next((legal for legal in KINDS if legal == (kind or KINDS[0])), None)
    if chosen is None:
        raise ValueError(f"{prefix}policy={kind}: legal are {', '.join(KINDS)}")
    tolerance, named = TOLERANCE, {}
    for given in tolerances:
        name, equals, number = given.rpartition("=")
        points = _number(number)
        if not 0 <= points <= 100 or (equals and not name.strip()):
            raise ValueError(
                f"{prefix}tolerance={given}: give points from 0 to 100, such as 0.5, or NAME=POINTS where NAME is a "
                f"category, a task, or {MEANS}"
            )
        if equals:
            named[name.strip()] = points / 100
        else:
            tolerance = points / 100
    share = _number(alpha) if alpha else ALPHA
    if not 0 < share <= 0.5:
        raise ValueError(f"{prefix}alpha={alpha}: give a share above 0 and up to 0.5, such as 0.05")
    return Policy(chosen, share, tolerance, named, strict_context)


def refuse_unknown_tolerances(policy: Policy, tasks: Mapping[str, Task], prefix: str = "--") -> None:
    """Raises ValueError where a tolerance is named for what is no task of the suite and no category."""
    legal = (*tasks, *CATEGORIES, MEANS)
    for name in policy.named:
        if name not in legal:
            near = ", ".join(difflib.get_close_matches(name, legal, n=3)) or f"{', '.join(CATEGORIES)}, {MEANS}"
            raise ValueError(f"{prefix}tolerance={name}=...: no category or task {name!r}; near are {near}")


def _number(text: str) -> float:
    """NaN for what is none, which no comparison lets pass."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


@dataclass(frozen=True)
class ComparisonFamily:
    """How many comparisons are made at once, by kind: known before the first of them, from what was selected.

    Each kind has a share of alpha, so that with the Bonferroni correction inside each the chance of any false alarm
    stays at or under alpha, whatever depends on whatever. An item can then decide by itself; what Holm's procedure
    rejects beyond that is added when all are in.
    """

    tasks: int
    subsets: int = 0
    means: int = 0

    @property
    def size(self) -> int:
        """All comparisons of the run."""
        return self.tasks + self.subsets + self.means

    @classmethod
    def of(cls, selected: Collection[str], tasks: Mapping[str, Task]) -> ComparisonFamily:
        """For the `selected` names among all `tasks`."""
        subsets = sum(len(tasks[name].subsets) for name in selected if len(tasks[name].subsets) > 1)
        return cls(len(selected), subsets, len(judged_means(selected, tasks)))

    def share(self, kind: Literal["tasks", "subsets", "means"], alpha: float) -> float:
        """What the comparisons of one kind have together: half for the tasks, a quarter each for subsets and means."""
        weights = {"tasks": 2.0, "subsets": 1.0 if self.subsets else 0.0, "means": 1.0 if self.means else 0.0}
        return alpha * weights[kind] / sum(weights.values())

    def level(self, kind: Literal["tasks", "subsets", "means"], alpha: float) -> float:
        """What one comparison has."""
        return self.share(kind, alpha) / max(getattr(self, kind), 1)


def judged_means(selected: Collection[str], tasks: Mapping[str, Task]) -> dict[str, dict[str, float]]:
    """The means that are judged, each with the weights of its tasks: every group of two selected tasks or more, and
    Mean (en) and Mean (m) of MIEB, or else of MIEB-lite, where all of their tasks were selected.
    """
    groups = by_group(task for task in tasks.values() if task.name in selected)
    means = {group: dict.fromkeys(names, 1 / len(names)) for group, names in groups.items() if len(names) > 1}
    for title, members in OVERALL.items():
        whole = [task for task in tasks.values() if task.suites and group_of(task) in members]
        for suite in (whole, [task for task in whole if "lite" in task.suites]):
            if suite and all(task.name in selected for task in suite):
                means[title] = overall_weights(suite)
                break
    return means
