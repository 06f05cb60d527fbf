"""Shares with their binomial error, and Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def share(hits: int, of: int) -> str:
    """A share in per cent with its exact binomial 95 % interval (Clopper and Pearson, 1934)."""
    from scipy.stats import binomtest

    if not of:
        return "none"
    interval = binomtest(hits, of).proportion_ci(0.95)
    return f"{100 * hits / of:.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"
