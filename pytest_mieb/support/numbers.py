"""Scores and differences as people read them."""

from __future__ import annotations

# A smaller p-value is no better known: the approximations behind it do not reach so far.
SMALLEST_P = 1e-15


def percent(score: float) -> str:
    """A score as shown to people: times 100, two decimals."""
    return f"{100 * score:.2f}"


def points(difference: float) -> str:
    """A difference of scores as shown to people, with its sign; what rounds to nothing is 0.00."""
    shown = f"{100 * difference:+.2f}"
    return "0.00" if float(shown) == 0 else shown


def beside(score: float, baseline: float) -> str:
    """A score and the baseline's as shown to people: `83.03, baseline 88.54 (-5.50)`."""
    return f"{percent(score)}, baseline {percent(baseline)} ({points(score - baseline)})"


def between(low: float, high: float) -> str:
    """Two differences of scores as shown to people: `1.90 to 3.70`."""
    return f"{percent(low)} to {percent(high)}"


def p_value(p: float) -> str:
    """A p-value as a table shows it: two digits, as many as tell it from the level beside it; never 0."""
    return f"< {SMALLEST_P:g}" if p < SMALLEST_P else f"{p:.2g}"


def p_is(p: float) -> str:
    """A p-value as a sentence gives it: `p = 0.024`, `p < 1e-15`."""
    shown = p_value(p)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def counted(number: int, noun: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
