"""The one rule for data that does not fit together: all of it is refused, a part is counted."""

from __future__ import annotations

import pytest

from pytest_mieb.data import DatasetError
from pytest_mieb.data.findings import Finding, partly, summed

WHAT, NONE = "keys fit no lock", "no key fits a lock"


@pytest.mark.parametrize(
    ("unmatched", "found"),
    [([], ()), (["a"], (Finding(WHAT, 1, 3, "'a'"),)), (["b", "a"], (Finding(WHAT, 2, 3, "'b'"),))],
)
def test_a_part_that_does_not_fit_is_counted(unmatched: list[str], found: tuple[Finding, ...]) -> None:
    assert partly(WHAT, unmatched, 3, none=NONE, error=DatasetError) == found


def test_where_nothing_fits_it_is_refused() -> None:
    with pytest.raises(DatasetError) as refusal:
        partly(WHAT, ["a", "b", "c"], 3, none=NONE, error=DatasetError)
    assert str(refusal.value) == "no key fits a lock (the first: 'a')"


def test_nothing_of_nothing_fits() -> None:
    assert partly(WHAT, [], 0, none=NONE, error=DatasetError) == ()


def test_a_finding_as_a_sentence() -> None:
    assert Finding(WHAT, 1200, 15000, "'a'").sentence == "1,200 of 15,000 keys fit no lock (the first: 'a')"


def test_findings_of_subsets_are_summed_by_what_they_say() -> None:
    own = [Finding(WHAT, 1, 3, "'a'"), Finding("doors", 5, 6, "'x'"), Finding(WHAT, 2, 4, "'b'")]
    assert summed(own) == (Finding(WHAT, 3, 7, "'a'"), Finding("doors", 5, 6, "'x'"))
    assert summed([]) == ()
