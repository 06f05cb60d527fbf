"""Tasks, their languages and means as rows of one kind. Scores, drops and tolerances are 0..1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_mieb.gate.comparison import Pair
from pytest_mieb.gate.policy import Policy
from pytest_mieb.gate.statistics.interval import Interval, interval
from pytest_mieb.gate.statistics.significance import upper_bound
from pytest_mieb.gate.verdict import Status
from pytest_mieb.measurement.baseline import Acceptance

Unjudged = Literal["incomplete", "not applicable", "not comparable"]


@dataclass(frozen=True)
class Compared:
    """A new score beside the baseline's, and what chance makes of the drop.

    `drop` is what the verdict rests on: the baseline's score minus the new one, but with `fits` how far the mean over
    so many repeated fits fell, and for a mean without known drift and without what is accepted. `p_drop` and `p_gain`
    are one-sided. `interval` is the 95 % confidence interval of the drop; `bound` its upper confidence bound at
    1 - alpha, None unless non-inferiority decides by it. Where the score changed and no error of it is known, the
    error, the p-values, the interval and the bound are None; where no outcome changed, the interval is.
    """

    score: float
    baseline: float
    drop: float
    standard_error: float | None
    p_drop: float | None
    p_gain: float | None
    examples: int
    fits: int
    interval: Interval | None
    bound: float | None

    @classmethod
    def of(cls, pair: Pair | None, policy: Policy) -> Compared | None:
        if pair is None:
            return None
        found = pair.difference
        known = not found.error_unknown
        return cls(
            pair.score,
            pair.baseline,
            found.drop,
            standard_error=found.standard_error if known else None,
            p_drop=found.p_drop if known else None,
            p_gain=found.p_gain if known else None,
            examples=found.examples,
            fits=found.fits,
            interval=interval(found),
            bound=upper_bound(found, policy.alpha) if known and policy.kind == "non-inferiority" else None,
        )

    @property
    def change(self) -> float:
        """What was gained."""
        return self.score - self.baseline

    @property
    def error_unknown(self) -> bool:
        """Whether the score changed and no error of it is known."""
        return self.standard_error is None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A task, a language of one, or a mean; None where there is no number.

    `title` is the name that is understood beside other rows. `score` is what was measured, and `baseline` what the
    baseline has of the same. `compared` is there where the two compare, and `status` then is the verdict; otherwise
    it says why there is none. `detectable` is the smallest drop that would be found four times out of five. `failure`
    is the text to fail with.
    """

    name: str
    title: str
    status: Status | Unjudged
    score: float | None = None
    baseline: float | None = None
    compared: Compared | None = None
    tolerance: float | None = None
    detectable: float | None = None
    failure: str | None = None

    @property
    def p_value(self) -> float | None:
        """The one-sided p-value: of a gain where the status is `improved`, else of a drop; None where no error is
        known."""
        if self.compared is None:
            return None
        return self.compared.p_gain if self.status == "improved" else self.compared.p_drop


@dataclass(frozen=True, kw_only=True)
class TaskRow(Row):
    """A task.

    `reason` is why it has no verdict. `regressed_by_holm`: it regressed by Holm's procedure only. `languages` names
    those of its `subsets` to look at, and `blame` is the sentence on them. `acceptance` is what the baseline says of a
    regression, `acceptance_note` the sentence on what became of it, `recovered` whether it is gone.
    """

    category: str
    group: str
    reason: str = ""
    regressed_by_holm: bool = False
    paired: bool = False
    drift: float = 0.0
    preprocessing: str | None = None
    warnings: tuple[str, ...] = ()
    subsets: tuple[Row, ...] = ()
    languages: tuple[str, ...] = ()
    blame: str | None = None
    acceptance: Acceptance | None = None
    acceptance_note: str | None = None
    recovered: bool = False


@dataclass(frozen=True, kw_only=True)
class MeanRow(Row):
    """The mean of a group, or one of the two overall means.

    It is over `tasks` tasks. The mean of a group counts those `scored`; an overall mean has a score only where no task
    lacks one. Of a single scored task, `detectable` is that task's. `suite` is what an overall mean is over. `missing`
    are tasks without a verdict, `accepted` those that count as unchanged, and `acceptance_note` is the sentence on
    these.
    """

    tasks: int
    scored: int
    suite: Literal["", "MIEB", "MIEB-lite"] = ""
    missing: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    acceptance_note: str | None = None
