"""Tables of text: for a terminal, and as GitHub renders them."""

from __future__ import annotations

from collections.abc import Sequence

Rows = Sequence[Sequence[str]]


def aligned(rows: Rows, left: int = 1) -> list[str]:
    """Columns as wide as their widest cell: the first `left` ones to the left, the others, numbers, to the right.

    All rows are equally long, the first one is the heading; no rows, no lines.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, widths, strict=True)
        padded = [cell.ljust(width) if place < left else cell.rjust(width) for place, (cell, width) in enumerate(cells)]
        lines.append("  ".join(padded).rstrip())
    return lines


def github(rows: Rows, left: int = 1) -> list[str]:
    """The same as a table of GitHub's Markdown; a bar in a cell is escaped."""
    if not rows:
        return []
    heading, *body = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    marks = ["---" if place < left else "---:" for place in range(len(rows[0]))]
    return [f"| {line} |" for line in (heading, " | ".join(marks), *body)]
