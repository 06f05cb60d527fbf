"""Scores and differences as people read them."""

from __future__ import annotations


def percent(score: float) -> str:
    """A score as shown to people: times 100, two decimals."""
    return f"{100 * score:.2f}"


def points(difference: float) -> str:
    """A difference of scores as shown to people, with its sign; what rounds to nothing is 0.00."""
    shown = f"{100 * difference:+.2f}"
    return "0.00" if float(shown) == 0 else shown
