"""Two releases of a model, simulated: as good as each other, or the new one worse by a known drop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.gate.statistics.influence import Examples, contributions

Base = Mapping[str, Examples]
# How likely an example is to be disturbed when its cluster is.
TOGETHER = 0.5
# By how much a training draw favours one of two releases, as a standard deviation.
DRAW_EFFECT = 0.2


class Release(NamedTuple):
    """The outcomes of the old release and of the new one, by subset."""

    old: Base
    new: Base


def release(protocol: str, base: Base, rate: float, generator: np.random.Generator, drop: float = 0.0) -> Release:
    """Two noisy copies of one quality.

    Args:
        base: the quality, as outcomes.
        rate: the share of examples on which the two differ; for sts the noise of each copy over the spread of the
            cosines.
        drop: by how much the new one is worse on average, 0..1.

    Without a drop the two are exchangeable, cluster by cluster and draw by draw: which of the two has the better
    outcome is a fair coin, thrown once a cluster, for a probe once an example (half of what differs) or an outcome (the
    other half), in the latter case with a coin that each training draw bends. A drop bends all coins; for sts it is
    more noise, for clustering examples of the new release scattered over the clusters.
    """
    if protocol == "sts":
        return _noisy(base, rate, drop, generator)
    if protocol == "clustering":
        return _strayed(base, rate, drop, generator)
    return _flipped(base, rate, drop, generator)


def _flipped(base: Base, rate: float, drop: float, generator: np.random.Generator) -> Release:
    others = {subset: _others(each.outcomes, generator) for subset, each in base.items()}
    size = float(np.mean([_distance(others[subset], each.outcomes) for subset, each in base.items()]))
    rate = min(1.0, max(rate, 1.02 * drop / size)) if drop else rate
    bent = drop / (rate * size) if drop else 0.0
    coins = _Coins(base, rate, bent, generator)
    old, new = {}, {}
    for subset, each in base.items():
        values = each.outcomes
        differs, old_better = coins.of(subset)
        better, worse = np.maximum(values, others[subset]), np.minimum(values, others[subset])
        old[subset] = _with(each, np.where(differs, np.where(old_better, better, worse), values))
        new[subset] = _with(each, np.where(differs, np.where(old_better, worse, better), values))
    return Release(old, new)


def _distance(values: NDArray[Any], others: NDArray[Any]) -> float:
    return float(np.abs(values.astype(np.float64) - others).mean())


def _others(values: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
    """Another outcome for each: of 0 and 1 the other one, else that of some example, and not the same if possible."""
    flat = values.ravel()
    if np.isin(flat[:64], (0, 1)).all() and np.isin(flat, (0, 1)).all():
        return 1 - values
    distinct = np.unique(flat)
    found = flat[generator.integers(len(flat), size=flat.shape)]
    same = found == flat
    found[same] = distinct[generator.integers(len(distinct), size=int(same.sum()))]
    return found.reshape(values.shape)


class _Coins:
    """Which outcomes differ, and whether the old release has the better one."""

    def __init__(self, base: Base, rate: float, bent: float, generator: np.random.Generator) -> None:
        self._base, self._rate, self._bent, self._generator = base, rate, bent, generator
        numbers = [each.clusters for each in base.values() if each.clusters is not None]
        if numbers:
            self._names = np.unique(np.concatenate(numbers))
            self._together = min(1.0, max(TOGETHER, rate))
            self._disturbed = generator.random(len(self._names)) < rate / self._together
            self._old_better = generator.random(len(self._names)) < (1 + bent) / 2

    def of(self, subset: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        each, generator = self._base[subset], self._generator
        shape = each.outcomes.shape
        if each.clusters is not None:
            place = np.searchsorted(self._names, each.clusters)
            return self._disturbed[place] & (generator.random(shape) < self._together), self._old_better[place]
        if len(shape) == 1:
            return generator.random(shape) < self._rate, generator.random(shape) < (1 + self._bent) / 2
        whole_row = np.broadcast_to(generator.random((shape[0], 1)) < self._rate / 2, shape)
        favour = np.clip(self._bent + generator.normal(0, DRAW_EFFECT, size=shape[1]), -1, 1)
        row_better = np.broadcast_to(generator.random((shape[0], 1)) < (1 + self._bent) / 2, shape)
        own_better = generator.random(shape) < (1 + favour) / 2
        return (
            whole_row | (generator.random(shape) < self._rate / (2 - self._rate)),
            np.where(whole_row, row_better, own_better),
        )


def _noisy(base: Base, rate: float, drop: float, generator: np.random.Generator) -> Release:
    shared: dict[str, NDArray[Any]] = {}
    if any(each.clusters is not None for each in base.values()):
        longest = max(map(len, base.values()))
        shared = {side: generator.normal(size=longest) for side in ("old", "new")}

    def noise(side: str, count: int) -> NDArray[Any]:
        own = generator.normal(size=count)
        return np.sqrt(0.5) * (own + shared[side][:count]) if shared else own

    old, new = {}, {}
    for subset, each in base.items():
        spread = float(each.outcomes.std())
        correlation = float(contributions("spearman", each).mean())
        left = max(correlation - drop, 0.05)
        more = max((correlation / left) ** 2 - 1, 0.0) if drop else 0.0
        old[subset] = _with(each, each.outcomes + rate * spread * noise("old", len(each)))
        new[subset] = _with(
            each, each.outcomes + np.sqrt(rate**2 + (1 + rate**2) * more) * spread * noise("new", len(each))
        )
    return Release(old, new)


def _strayed(base: Base, rate: float, drop: float, generator: np.random.Generator) -> Release:
    """Every repeated fit puts other examples elsewhere; the score is that of the first."""
    old, new = {}, {}
    for subset, each in base.items():
        assert each.fits is not None
        values = each.fits
        others = values[generator.integers(len(values), size=len(values))]
        differs, old_other = generator.random(values.shape) < rate, generator.random(values.shape) < 0.5
        old[subset] = _with_fits(each, np.where(differs & old_other, others, values))
        after = _with_fits(each, np.where(differs & ~old_other, others, values))
        if drop:
            after = _scattered(after, float(contributions("mutual_information", after).mean()) - drop, generator)
        new[subset] = after
    return Release(old, new)


def _scattered(examples: Examples, target: float, generator: np.random.Generator) -> Examples:
    """With as many examples moved to other clusters as bring the score down to `target`, found by halving."""
    assert examples.fits is not None
    values = examples.fits
    others = values[generator.permutation(len(values))]
    turn = generator.permutation(len(values))[:, None]
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        moved = np.where(turn[:, 0] < middle, others[:, 0], values[:, 0])
        if contributions("mutual_information", _with(examples, moved)).mean() > target:
            low = middle
        else:
            high = middle
    return _with_fits(examples, np.where(turn < low, others, values))


def _with(examples: Examples, outcomes: NDArray[Any]) -> Examples:
    return replace(examples, outcomes=outcomes.astype(examples.outcomes.dtype))


def _with_fits(examples: Examples, fits: NDArray[Any]) -> Examples:
    return replace(_with(examples, fits[:, 0]), fits=fits)
