"""Whether a drop is more than chance: paired tests on the examples behind two scores, and what they can detect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.gate.influence import Examples, Values, contributions, swapped_clusters
from pytest_mieb.gate.sign_flip import tails

# Differences of pseudo-values smaller than this are rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Difference:
    """The old score minus the new, and what chance makes of it.

    `drop` and `standard_error` are on the scale 0..1. `p_drop` is the one-sided p-value of "the new model is worse"
    under no change, `p_gain` its mirror. `examples` counts what was compared. `unit` is the drop that one changed
    example (or cluster) is worth. `freedom` is the degrees of freedom of the standard error, infinite where the
    normal distribution holds.
    """

    drop: float
    standard_error: float
    p_drop: float
    p_gain: float
    examples: int
    unit: float = 0.0
    freedom: float = float("inf")


class _Spread(NamedTuple):
    variance: float
    freedom: float


def compare(protocol: str, old: Mapping[str, Examples], new: Mapping[str, Examples]) -> Difference:
    """The paired comparison of a task's two scores, each the plain mean over its subsets.

    Args:
        old, new: the examples of each subset, the same in the same order.

    The examples' differences (of outcomes, or of pseudo-values where the score is no mean) are weighted by their
    share in the score and summed by cluster; the p-values are those of the randomisation test on these sums
    (`sign_flip.tails`). A probe's examples have a row of outcomes, one a training draw: both are samples, so its
    p-value is the larger of the randomisation test's on the means over the draws and that of a t-test with the
    standard error of two-way random effects (`_crossed`).

    The standard error is that of the cluster-robust sandwich (Liang and Zeger, 1986) plus one `unit`, the
    root-mean-square of the cluster sums that are not zero: as if one more cluster had changed, so that it stays
    sensible where one or two did. For 0/1 outcomes that is the adjusted interval of Agresti and Min (2005, Simple
    improved confidence intervals for comparing matched proportions). Identical outcomes: drop and error 0, p-values 1.

    Raises:
        ValueError: the two do not hold the same examples, naming the subset; or there is no score.
    """
    _check(old, new)
    size = sum(map(len, old.values()))
    scores = [{subset: contributions(protocol, each) for subset, each in side.items()} for side in (old, new)]
    terms = {subset: _terms(protocol, old[subset], new[subset], *(each[subset] for each in scores)) for subset in old}
    table = _table(terms, old)
    raw = table.raw.mean(axis=1)
    largest = np.abs(raw).max(initial=0.0)
    changed = raw[np.abs(raw) > 1e-9 * largest]
    one = 1 / (len(old) * min(map(len, old.values())))
    if not len(changed) and not np.any(table.raw):
        return Difference(0.0, 0.0, 1.0, 1.0, size, one)
    drop = float(
        np.mean([before.mean() - after.mean() for before, after in zip(*map(dict.values, scores), strict=True)])
    )
    unit = float(np.sqrt(np.mean(np.square(changed)))) if len(changed) else one
    spread = _crossed(table.centred)
    error = float(np.sqrt(spread.variance + unit**2))
    p_drop, p_gain = tails(raw, drop)
    if table.raw.shape[1] > 1:
        p_drop = max(p_drop, _t_tail(drop / error, spread.freedom))
        p_gain = max(p_gain, _t_tail(-drop / error, spread.freedom))
    freedom = spread.freedom if table.raw.shape[1] > 1 else float("inf")
    return Difference(drop, error, p_drop, p_gain, size, unit, freedom)


def sampling_error(protocol: str, examples: Mapping[str, Examples]) -> float:
    """The standard error of one score over the sampling of its examples (and training draws).

    Estimated as in `compare`, with one more example's worth of variance, so that it is not 0 where all are right.

    Raises:
        ValueError: there is no score.
    """
    if not examples:
        raise ValueError("no subsets, so no score")
    values = {subset: contributions(protocol, each) for subset, each in examples.items()}
    table = _table(values, examples)
    one = 1 / (len(examples) * min(map(len, examples.values())))
    return float(np.sqrt(_crossed(table.centred).variance + one**2))


def smallest_detectable(standard_error: float, alpha: float, power: float = 0.8, unit: float = 0.0) -> float:
    """The drop that is significant at one-sided `alpha` with probability `power`: (z_alpha + z_power) errors.

    With `unit` the drop's own share of the variance counts too: a drop d comes from d / unit changed examples, each
    of variance unit^2, so that d^2 = z^2 (error^2 + unit d). Without it a model that differs in two examples could
    seem able to show a drop of three.
    """
    from scipy.special import ndtri

    z = float(ndtri(1 - alpha) + ndtri(power))
    return (z**2 * unit + np.sqrt(z**4 * unit**2 + 4 * z**2 * standard_error**2)) / 2


def upper_bound(difference: Difference, alpha: float) -> float:
    """The upper confidence bound of the drop at level 1 - alpha: drop + t errors, 0 for identical outcomes."""
    from scipy.special import ndtri, stdtrit

    freedom = difference.freedom
    quantile = float(ndtri(1 - alpha) if np.isinf(freedom) else stdtrit(freedom, 1 - alpha))
    return difference.drop + quantile * difference.standard_error


def holm(p: Mapping[str, float], alpha: float, weights: Mapping[str, float] | None = None) -> set[str]:
    """The hypotheses rejected with a family-wise error of at most `alpha`, whatever their dependence.

    Source: Holm, 1979, A simple sequentially rejective multiple test procedure. In the order of p / weight, each is
    rejected while p <= alpha * weight / (sum of the weights from here on). Without `weights` all count the same; a
    weight of 0 is never rejected.
    """
    share = {name: 1.0 if weights is None else weights[name] for name in p}
    order = sorted((name for name in p if share[name] > 0), key=lambda name: p[name] / share[name])
    left = sum(share[name] for name in order)
    rejected = set()
    for name in order:
        if p[name] > alpha * share[name] / left * (1 + 1e-12):
            break
        rejected.add(name)
        left -= share[name]
    return rejected


def pooled(
    differences: Mapping[str, Difference], share: Mapping[str, str], weights: Mapping[str, float] | None = None
) -> Difference:
    """The weighted mean drop of several tasks, with its standard error and p-values.

    Args:
        share: the group of each task that has one, such as its dataset. The tasks of a group count as fully
            dependent: their errors add up, which is the most that they can (Cauchy and Schwarz). Groups, and tasks
            without one, are independent: their variances add up.
        weights: of the tasks, in any unit; without them all count the same.

    The p-values are the normal approximation's, or Student's t where a task's error has few degrees of freedom
    (Satterthwaite, 1946). Nothing changed anywhere: 1.

    Raises:
        ValueError: no tasks, or weights that do not add up to more than 0.
    """
    total = sum(1.0 if weights is None else weights[task] for task in differences)
    if not total > 0:
        raise ValueError("no tasks with a weight, so no mean")
    portion = {task: (1.0 if weights is None else weights[task]) / total for task in differences}
    errors: dict[tuple[str, str], float] = {}
    freedoms: dict[tuple[str, str], float] = {}
    for task, each in differences.items():
        group = ("group", share[task]) if task in share else ("task", task)
        errors[group] = errors.get(group, 0.0) + portion[task] * each.standard_error
        freedoms[group] = min(freedoms.get(group, float("inf")), each.freedom)
    drop = sum(portion[task] * each.drop for task, each in differences.items())
    variance = sum(error**2 for error in errors.values())
    examples = sum(each.examples for each in differences.values())
    if variance == 0:
        return Difference(drop, 0.0, 1.0, 1.0, examples)
    uncertainty = sum(error**4 / freedoms[group] for group, error in errors.items())
    freedom = variance**2 / uncertainty if uncertainty > 0 else float("inf")
    t = drop / np.sqrt(variance)
    return Difference(
        drop, float(np.sqrt(variance)), _t_tail(t, freedom), _t_tail(-t, freedom), examples, freedom=freedom
    )


def _terms(protocol: str, old: Examples, new: Examples, before: Values, after: Values) -> Values:
    """What each example adds to the drop of a subset, of the shape of its outcomes."""
    if protocol != "clustering":
        return before - after
    assert old.truth is not None
    return len(old) * swapped_clusters(old.outcomes, new.outcomes, old.truth)


def _check(old: Mapping[str, Examples], new: Mapping[str, Examples]) -> None:
    if not old:
        raise ValueError("no subsets, so no score")
    for subset in sorted(set(old) ^ set(new)):
        raise ValueError(f"subset {subset}: only one of the two has it; compare runs over the same data")
    for subset, before in old.items():
        after = new[subset]
        if before.outcomes.shape != after.outcomes.shape:
            raise ValueError(
                f"subset {subset}: outcomes of shape {before.outcomes.shape} before and {after.outcomes.shape} now; "
                "compare runs over the same examples"
            )
        for name in ("truth", "clusters"):
            left, right = getattr(before, name), getattr(after, name)
            if (left is None) != (right is None) or not (left is None or np.array_equal(left, right)):
                raise ValueError(
                    f"subset {subset}: not the same {name} before and now; compare runs over the same data"
                )


class _Table(NamedTuple):
    """Weighted values summed by cluster, shape (clusters, draws): as they are, and less their subset's mean."""

    raw: Values
    centred: Values


def _table(values: Mapping[str, Values], examples: Mapping[str, Examples]) -> _Table:
    """`raw` sums to the mean over subsets of the subset's mean in each draw."""
    raws, centreds = [], []
    for each in values.values():
        rows = each.reshape(len(each), -1)
        rows = np.where(np.abs(rows) < ROUNDING, 0.0, rows) / (len(values) * len(rows))
        raws.append(rows)
        centreds.append(rows - rows.mean())
    if len({rows.shape[1] for rows in raws}) > 1:
        raise ValueError("subsets of one task have the same number of training draws")
    raw, centred = (np.concatenate(rows) if len(rows) > 1 else rows[0] for rows in (raws, centreds))
    if all(each.clusters is None for each in examples.values()):
        return _Table(raw, centred)
    clusters = _clusters(examples)
    return _Table(_summed(raw, clusters), _summed(centred, clusters))


def _clusters(examples: Mapping[str, Examples]) -> NDArray[np.intp]:
    """The cluster of each row of all subsets, counted from 0; an example without one is its own."""
    largest = max(int(each.clusters.max()) for each in examples.values() if each.clusters is not None)
    numbers, free = [], largest + 1
    for each in examples.values():
        if each.clusters is None:
            numbers.append(np.arange(free, free + len(each)))
            free += len(each)
        else:
            numbers.append(np.asarray(each.clusters))
    return np.unique(np.concatenate(numbers), return_inverse=True)[1]


def _summed(rows: Values, clusters: NDArray[np.intp]) -> Values:
    count = int(clusters.max()) + 1
    return np.stack([np.bincount(clusters, column, count) for column in rows.T], axis=1)


def _crossed(table: Values) -> _Spread:
    """The variance of the sum over rows of the mean over columns, and its degrees of freedom.

    Args:
        table: shape (rows, columns), summing to 0.

    One column: the sandwich with G / (G - 1), G rows. Several, where rows (examples) and columns (training draws) are
    both sampled: two-way random effects, rows + columns - error, never less than the rows' own part; the degrees of
    freedom by Satterthwaite (1946, An approximate distribution of estimates of variance components). The variance
    of a mean over crossed samples, and why resampling rows alone misses the columns: Owen and Eckles (2012,
    Bootstrapping data arrays of arbitrary order). One row: no freedom is left and the variance is 0.
    """
    count, draws = table.shape
    if count < 2:
        return _Spread(0.0, 1.0)
    rows = table.mean(axis=1)
    of_rows = count / (count - 1) * float(np.square(rows).sum())
    if draws == 1:
        return _Spread(of_rows, count - 1.0)
    columns = table.sum(axis=0)
    of_columns = float(np.square(columns).sum()) / (draws * (draws - 1))
    residuals = table - rows[:, None] - columns / count
    error_freedom = (count - 1) * (draws - 1)
    of_error = count / draws * float(np.square(residuals).sum()) / error_freedom
    if of_columns <= of_error:
        return _Spread(of_rows, count - 1.0)
    variance = of_rows + of_columns - of_error
    uncertainty = of_rows**2 / (count - 1) + of_columns**2 / (draws - 1) + of_error**2 / error_freedom
    return _Spread(variance, max(1.0, variance**2 / uncertainty))


def _t_tail(t: float, freedom: float) -> float:
    """P(T >= t) of Student's t; the normal's where the freedom is infinite."""
    from scipy.special import ndtr, stdtr

    return float(ndtr(-t) if np.isinf(freedom) else stdtr(freedom, -t))
