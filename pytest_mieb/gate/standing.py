"""Where a model stands among the published ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pytest_mieb.measurement.published import PublishedModel, read_all
from pytest_mieb.suite import Task
from pytest_mieb.suite.means import GROUPS, MEAN_EN, MEAN_M, OVERALL, group_of, means

BORDA = "Borda"


class Rank(NamedTuple):
    """A place, 1 the best, among `models` published ones, the candidate not counted; equals share the best place."""

    place: int
    models: int


@dataclass(frozen=True)
class Standing:
    """The ranks that could be given, and over how many of the asked tasks.

    `ranks` maps `Mean (m)`, `Mean (en)`, `Borda` and the groups of `pytest_mieb.suite.means` to a rank; what the
    candidate or every published model lacks tasks for is left out.
    """

    ranks: Mapping[str, Rank]
    scored: int
    tasks: int


def standing(
    scores: Mapping[str, float],
    tasks: Collection[Task],
    published: Collection[PublishedModel] | None = None,
    leave_out: str = "",
) -> Standing:
    """The candidate's ranks over `tasks`: the full suite, MIEB-lite or another choice.

    Only tasks with a score count, and each rank compares with the models that have all tasks which count for it. A
    group is ranked by the mean of those; the two overall means only if none of their groups is empty and none of their
    tasks lacks a score. Borda is over all tasks that count, `borda` says how. `published` is every published model
    where None; `leave_out` names one to leave out, the candidate's own entry.

    The scores have to come from MIEB's data: a rank by the miniature would be a false claim, so do not ask for one.
    The published scores come from several versions of data and reference (`measurement.drift`): a place is a guide,
    not a result, most of all in retrieval, where six tasks of 45 score lower today than when most were measured.
    """
    rivals = [model for model in (read_all() if published is None else published) if model.model != leave_out]
    counted = [task for task in tasks if task.name in scores]
    ranks: dict[str, Rank] = {}
    present = {group_of(task) for task in tasks}
    for label in (MEAN_M, MEAN_EN):
        members = [task for task in tasks if group_of(task) in OVERALL[label]]
        if present >= set(OVERALL[label]) and all(task.name in scores for task in members):
            _put(ranks, label, _rank(label, scores, members, rivals))
    _put(ranks, BORDA, _borda_rank(scores, counted, rivals))
    for group in GROUPS:
        members = [task for task in counted if group_of(task) == group]
        if members:
            _put(ranks, group, _rank(group, scores, members, rivals))
    return Standing(ranks, len(counted), len(tasks))


def borda(rows: Sequence[Sequence[float]]) -> list[float]:
    """Points of each model, given its scores of the same tasks in the same order: one for each model that it beats.

    A tie gives half a point to each. Points are summed over tasks (Colombo et al. 2022, "What are the best systems?";
    MTEB's leaderboard ranks by them). No models, no points.
    """
    return [
        sum(
            (mine > theirs) + 0.5 * (mine == theirs)
            for place, other in enumerate(rows)
            if place != own
            for mine, theirs in zip(row, other, strict=True)
        )
        for own, row in enumerate(rows)
    ]


def standing_lines(standing: Standing) -> list[str]:
    """The standing for the terminal: overall, then by category; nothing where there is no rank.

    The number of models stands behind a rank only where it differs from the first line's.
    """
    if not standing.ranks:
        return []
    overall = {label: standing.ranks[label] for label in (MEAN_M, MEAN_EN, BORDA) if label in standing.ranks}
    rest = {label: rank for label, rank in standing.ranks.items() if label not in overall}
    models = next(iter(standing.ranks.values())).models
    part = "" if standing.scored == standing.tasks else f" over {standing.scored} of {standing.tasks} tasks"
    head = f"rank among {models} published models{part} (indicative): "
    return [
        lead + ", ".join(_shown(label, rank, models) for label, rank in ranks.items())
        for lead, ranks in ((head, overall or rest), ("  by category: ", rest if overall else {}))
        if ranks
    ]


def _shown(label: str, rank: Rank, models: int) -> str:
    among = "" if rank.models == models else f" among {rank.models}"
    return f"{label} {rank.place}{among}"


def _put(ranks: dict[str, Rank], label: str, rank: Rank | None) -> None:
    if rank:
        ranks[label] = rank


def _complete(tasks: Collection[Task], rivals: Collection[PublishedModel]) -> list[PublishedModel]:
    return [model for model in rivals if all(task.name in model.tasks for task in tasks)]


def _rank(
    mean: str, scores: Mapping[str, float], tasks: Collection[Task], rivals: Collection[PublishedModel]
) -> Rank | None:
    compared = _complete(tasks, rivals)
    own = means(tasks, scores)[mean]
    better = sum(means(tasks, model.scores)[mean] > own for model in compared)
    return Rank(1 + better, len(compared)) if compared else None


def _borda_rank(scores: Mapping[str, float], tasks: Sequence[Task], rivals: Collection[PublishedModel]) -> Rank | None:
    compared = _complete(tasks, rivals)
    if not tasks or not compared:
        return None
    rows = [[row[task.name] for task in tasks] for row in (scores, *(model.scores for model in compared))]
    own, *others = borda(rows)
    return Rank(1 + sum(points > own for points in others), len(compared))
