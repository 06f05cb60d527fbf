"""What every protocol returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Repeats:
    """A fit done again, where its result depends on how it starts: a comparison rests on these, not on one fit.

    `fits`, shape (n, f), holds the outcomes of f fits that start alike for every model, and `scores`, shape (f,), what
    each of them scores. `restarts`, shape (r,), holds the scores of the task's own fit, started r times at random.
    """

    fits: NDArray[Any]
    scores: NDArray[np.float64]
    restarts: NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """The metrics of one subset, the examples behind its score, and what else is worth keeping.

    `outcomes` holds one value an example, shape (n,): what the example adds to the score (1 for a hit, nDCG of a
    query, a pair's cosine, the cluster an image fell into). A probe has one column an experiment, shape (n, e).
    `truth`, shape (n,), is there where the score cannot be computed from the outcomes alone, `repeats` where one fit
    says little.
    """

    metrics: Mapping[str, float]
    outcomes: NDArray[Any]
    truth: NDArray[Any] | None = None
    repeats: Repeats | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
