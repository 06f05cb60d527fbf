"""Lines below what pytest prints on a terminal, which come and go without a trace in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

# VT100's: down without a new line, scrolling at the last row; remember and take up the place; clear what is below it.
_DOWN, _REMEMBER, _BACK, _CLEAR_LINE, _CLEAR_BELOW = "\x1bD", "\x1b7", "\x1b8", "\x1b[2K", "\x1b[J"


class Size(NamedTuple):
    columns: int
    rows: int


class Region:
    """Lines below the cursor of the terminal that a descriptor is open on; it closes it.

    The cursor stays where pytest left it. Whoever writes there hides the lines before, for what is written next would
    run into them.
    """

    def __init__(self, descriptor: int, encoding: str = "utf-8") -> None:
        self._descriptor, self._encoding = descriptor, encoding
        self.shown = False

    @property
    def size(self) -> Size:
        return Size(*os.get_terminal_size(self._descriptor))

    def show(self, lines: Sequence[str]) -> None:
        """Show these lines, none as wide as the terminal, in place of those that are there; what has no room is cut.

        Room is made first, by scrolling where there is none, and only then the place remembered.
        """
        lines = lines[: max(0, self.size.rows - 2)]
        if not lines:
            self.hide()
            return
        room = f"{_DOWN * len(lines)}\x1b[{len(lines)}A"
        text = "".join(f"\r\n{_CLEAR_LINE}{line}" for line in lines)
        write(self._descriptor, f"{room}{_REMEMBER}{text}{_CLEAR_BELOW}{_BACK}", self._encoding)
        self.shown = True

    def hide(self) -> None:
        if self.shown:
            write(self._descriptor, _CLEAR_BELOW)
        self.shown = False

    def close(self) -> None:
        try:
            self.hide()
        finally:
            os.close(self._descriptor)


def write(descriptor: int, text: str, encoding: str = "utf-8") -> None:
    """Write all of a text; what the encoding lacks becomes a question mark."""
    left = text.encode(encoding, "replace")
    while left:
        left = left[os.write(descriptor, left) :]
