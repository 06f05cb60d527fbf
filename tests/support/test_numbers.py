"""Numbers as people read them."""

from __future__ import annotations

import pytest

from pytest_mieb.support.numbers import p_is, p_value


@pytest.mark.parametrize(
    ("p", "cell", "phrase"),
    [
        (1.0, "1", "p = 1"),
        (0.0254, "0.025", "p = 0.025"),
        (0.000123, "0.00012", "p = 0.00012"),
        (2.34e-9, "2.3e-09", "p = 2.3e-09"),
        (1e-15, "1e-15", "p = 1e-15"),
        (9e-16, "< 1e-15", "p < 1e-15"),
        (0.0, "< 1e-15", "p < 1e-15"),
    ],
)
def test_a_p_value_has_two_digits_and_is_never_0(p: float, cell: str, phrase: str) -> None:
    assert (p_value(p), p_is(p)) == (cell, phrase)
