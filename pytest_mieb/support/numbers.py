"""Scores and differences as people read them."""

from __future__ import annotations


def percent(score: float) -> str:
    """A score as shown to people: times 100, two decimals."""
    return f"{100 * score:.2f}"


def points(difference: float) -> str:
    """A difference of scores as shown to people, with its sign; what rounds to nothing is 0.00."""
    shown = f"{100 * difference:+.2f}"
    return "0.00" if float(shown) == 0 else shown


def between(low: float, high: float) -> str:
    """Two differences of scores as shown to people: `1.90 to 3.70`."""
    return f"{percent(low)} to {percent(high)}"


def counted(number: int, noun: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
