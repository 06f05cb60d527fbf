"""Whether a drop is more than chance: paired tests on the examples behind two scores, and what they can detect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.gate.statistics.influence import Examples, Values, contributions
from pytest_mieb.gate.statistics.sign_flip import tails
from pytest_mieb.gate.statistics.variance import clustered, crossed, crossed_tail, repeated

# The variance between groups of examples is estimated from so many groups at least.
GROUPS = 10


@dataclass(frozen=True)
class Difference:
    """The old score minus the new, and what chance makes of it.

    `drop` and `standard_error` are on the scale 0..1. `p_drop` is the one-sided p-value of "the new model is worse"
    under no change, `p_gain` its mirror. `examples` counts what was compared. `unit` is the drop that one changed
    example (or cluster) is worth, 0 where all of them change. `freedom` is the degrees of freedom of the standard
    error, infinite where the normal distribution holds. With `fits` the drop is that of the mean over so many repeated
    fits, which was `before` on the old side: of two single fits nothing can be said.
    """

    drop: float
    standard_error: float
    p_drop: float
    p_gain: float
    examples: int
    unit: float = 0.0
    freedom: float = float("inf")
    fits: int = 0
    before: float = 0.0

    @property
    def error_unknown(self) -> bool:
        """Whether the score changed and no error of it is known: then there is no p-value and no interval either, and
        `p_drop` and `p_gain` only say what the gate makes of the change."""
        return self.drop != 0 and self.standard_error == 0


def compare(estimator: str, old: Mapping[str, Examples], new: Mapping[str, Examples]) -> Difference:
    """The paired comparison of a task's two scores, each the plain mean over its subsets.

    Args:
        estimator: how the score comes from the outcomes, one of `influence.ESTIMATORS`.
        old, new: the examples of each subset, the same in the same order.

    What each example adds to the drop is the difference of its outcomes, for a correlation of its pseudo-values.
    These are weighted by their share in the score and summed by cluster; the p-values are those of the randomisation
    test on the sums (`sign_flip.tails`). A probe's examples have a row of outcomes, one a training draw: both are
    samples, so its p-value is the larger of the randomisation test's on the means over the draws and that of two-way
    random effects (`variance.crossed_tail`). Clustering: see `compare_fits`.

    The standard error is that of the cluster-robust sandwich (Liang and Zeger, 1986) plus one `unit`, the
    root-mean-square of the cluster sums that are not zero: as if one more cluster had changed, so that it stays
    sensible where one or two did. For 0/1 outcomes that is the adjusted interval of Agresti and Min (2005, Simple
    improved confidence intervals for comparing matched proportions). Identical outcomes: drop and error 0, p-values 1.

    Raises:
        ValueError: the two do not hold the same examples, naming the subset; or there is no score.
    """
    _check(old, new)
    size = sum(map(len, old.values()))
    if estimator == "mutual_information":
        return compare_fits(old, new)
    before, after = ({subset: contributions(estimator, side[subset]) for subset in old} for side in (old, new))
    terms = {subset: before[subset] - after[subset] for subset in old}
    table = clustered(terms, old)
    raw = table.raw.mean(axis=1)
    largest = np.abs(raw).max(initial=0.0)
    changed = raw[np.abs(raw) > 1e-9 * largest]
    one = 1 / (len(old) * min(map(len, old.values())))
    if not len(changed) and not np.any(table.raw):
        return Difference(0.0, 0.0, 1.0, 1.0, size, one)
    drop = float(np.mean([before[subset].mean() - after[subset].mean() for subset in old]))
    unit = float(np.sqrt(np.mean(np.square(changed)))) if len(changed) else one
    variance = crossed(table.centred)
    error = float(np.sqrt(variance.variance + unit**2))
    p_drop, p_gain = tails(raw, drop)
    draws, freedom = table.raw.shape[1], float("inf")
    if draws > 1:
        beyond = crossed_tail(drop, variance.rows + unit**2, variance.columns, draws)
        p_drop, p_gain, freedom = max(p_drop, beyond), max(p_gain, 1 - beyond), variance.freedom
    return Difference(drop, error, p_drop, p_gain, size, unit, freedom)


def compare_fits(old: Mapping[str, Examples], new: Mapping[str, Examples]) -> Difference:
    """The paired comparison of two clusterings, by the mean of the scores of fits that start alike.

    A single fit of k-means says little: it settles elsewhere when the embeddings move by a thousandth, and hundreds of
    images change their cluster at once, whereby every test that takes images as independent is sure of nothing. The
    mean over fits moves little, and its variance has two sources, taken together as in `variance.repeated`: the fits,
    and the images. These move together where they belong together, so what they add to the drop (pseudo-values, as of
    one score) is summed by class, or by pieces of a class where there are fewer than `GROUPS` classes: the
    cluster-robust variance of Liang and Zeger (1986), with a degree of freedom less than there are groups.

    Raises:
        ValueError: one of the two holds no such fits, or another number of them.
    """
    terms, groups, befores, apart = {}, {}, [], 0
    for subset, before in old.items():
        left, right = (_of_fits(subset, each) for each in (before, new[subset]))
        if left.shape != right.shape:
            raise ValueError(f"subset {subset}: {left.shape[1]} repeated fits before and {right.shape[1]} now")
        terms[subset] = left - right
        groups[subset] = Examples(before.outcomes, clusters=apart + _groups(np.asarray(before.truth)))
        befores.append(left.mean())
        apart += len(before) * GROUPS
    size, fits = sum(map(len, old.values())), next(iter(terms.values())).shape[1]
    table = clustered(terms, groups)
    level = float(np.mean(befores))
    if not np.any(table.raw):
        return Difference(0.0, 0.0, 1.0, 1.0, size, fits=fits, before=level)
    drop = float(table.raw.mean(axis=1).sum())
    more = float(np.sqrt(np.mean(np.square(table.centred.mean(axis=1)))))
    variance = repeated(table.centred)
    p_drop = crossed_tail(drop, variance.rows + more**2, variance.columns, fits, len(table.raw))
    error = float(np.sqrt(variance.variance + more**2))
    return Difference(drop, error, p_drop, 1 - p_drop, size, 0.0, variance.freedom, fits, level)


def _of_fits(subset: str, examples: Examples) -> Values:
    """Pseudo-values, shape (n, fits), whose mean over the examples is the score of each fit."""
    if examples.fits is None:
        raise ValueError(f"subset {subset}: no repeated fits")
    columns = [replace(examples, outcomes=fit, fits=None) for fit in examples.fits.T]
    return np.stack([contributions("mutual_information", column) for column in columns], axis=1)


def _groups(truth: NDArray[Any]) -> NDArray[np.int64]:
    """A number for each example that it shares with its class, or with a piece of it."""
    classes = np.unique(truth, return_inverse=True)[1]
    pieces = -(-GROUPS // (int(classes.max()) + 1))
    place = np.empty(len(classes), np.int64)
    order = np.argsort(classes, kind="stable")
    starts = np.cumsum(np.bincount(classes)) - np.bincount(classes)
    place[order] = np.arange(len(classes)) - starts[classes[order]]
    return classes * pieces + place % pieces


def restart_error(examples: Mapping[str, Examples] | None) -> tuple[float, float]:
    """The standard error that a score has for being one fit of several, and its degrees of freedom (Satterthwaite's); 0
    and infinite where it is no fit, where it was not done again, or where that moved nothing.
    """
    restarts = [each.restarts for each in (examples or {}).values() if each.restarts is not None]
    if not restarts:
        return 0.0, float("inf")
    variances = [float(np.var(each, ddof=1)) for each in restarts]
    whole = sum(variances)
    if not whole:
        return 0.0, float("inf")
    freedom = whole**2 / sum(own**2 / (len(each) - 1) for own, each in zip(variances, restarts, strict=True))
    return float(np.sqrt(whole)) / len(examples or {}), freedom


def sampling_error(estimator: str, examples: Mapping[str, Examples]) -> float:
    """The standard error of one score over the sampling of its examples (and training draws).

    Estimated as in `compare`, with one more example's worth of variance, so that it is not 0 where all are right.

    Raises:
        ValueError: there is no score.
    """
    if not examples:
        raise ValueError("no subsets, so no score")
    values = {subset: contributions(estimator, each) for subset, each in examples.items()}
    table = clustered(values, examples)
    one = 1 / (len(examples) * min(map(len, examples.values())))
    return float(np.sqrt(crossed(table.centred).variance + one**2))


def smallest_detectable(
    standard_error: float, alpha: float, power: float = 0.8, unit: float = 0.0, freedom: float = float("inf")
) -> float:
    """The drop that is significant at one-sided `alpha` with probability `power`: (z_alpha + z_power) errors.

    With `unit` the drop's own share of the variance counts too: a drop d comes from d / unit changed examples, each
    of variance unit^2, so that d^2 = z^2 (error^2 + unit d). Without it a model that differs in two examples could
    seem able to show a drop of three. With few degrees of `freedom` z_alpha is Student's.
    """
    from scipy.special import ndtri, stdtrit

    z = float((ndtri(1 - alpha) if np.isinf(freedom) else stdtrit(freedom, 1 - alpha)) + ndtri(power))
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
        drop, float(np.sqrt(variance)), t_tail(t, freedom), t_tail(-t, freedom), examples, freedom=freedom
    )


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


def t_tail(t: float, freedom: float) -> float:
    """P(T >= t) of Student's t; the normal's where the freedom is infinite."""
    from scipy.special import ndtr, stdtr

    return float(ndtr(-t) if np.isinf(freedom) else stdtr(freedom, -t))
