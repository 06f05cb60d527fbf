"""How large a drop may really be: the confidence interval that stands beside p."""

from __future__ import annotations

from math import isinf
from typing import NamedTuple

from pytest_mieb.gate.statistics.significance import Difference

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """The smallest and the largest drop that the examples do not speak against; negative is a gain."""

    low: float
    high: float


def interval(difference: Difference) -> Interval | None:
    """The two-sided confidence interval of a drop at 95 %, whatever alpha a run decides at.

    drop -+ t standard errors, t the quantile of Student's distribution at the error's degrees of freedom (those of
    Satterthwaite for a probe's training draws), the normal's where they are infinite. With the one more changed cluster
    that the error of a paired comparison holds, it is for hits and misses the adjusted interval of Agresti and Min
    (2005, Simple improved confidence intervals for comparing matched proportions), which keeps its level where few
    examples changed. Without outcomes the error is the scores' sampling error, and the interval is too wide rather
    than too narrow. It is not cut where a drop would leave the range of the score: that would hide how little is known.

    None where no error is known: identical outcomes, or scores without any error.
    """
    from scipy.special import ndtri, stdtrit

    if not difference.standard_error > 0:
        return None
    share = (1 + CONFIDENCE) / 2
    quantile = float(ndtri(share) if isinf(difference.freedom) else stdtrit(difference.freedom, share))
    reach = quantile * difference.standard_error
    return Interval(difference.drop - reach, difference.drop + reach)
