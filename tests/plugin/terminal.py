"""A terminal that a pytest runs in: what it shows at any moment, and what stays in it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyte

from tests.plugin.running import PATIENCE, environment

_SCROLLBACK = 100_000
# What is typed reaches, as Ctrl-C, whoever's controlling terminal it is.
_TAKING_THE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass
class Terminal:
    """An emulated terminal of so many columns and rows, and the run in it.

    `pictures` are all screens that differ, as the lines on them; `text` is what scrolled out of it, and the screen.
    """

    columns: int = 100
    rows: int = 30
    pictures: list[list[str]] = field(default_factory=list)
    returncode: int | None = None

    def __post_init__(self) -> None:
        self.screen = pyte.HistoryScreen(self.columns, self.rows, history=_SCROLLBACK)
        self._stream = pyte.ByteStream(self.screen)

    @property
    def text(self) -> list[str]:
        above = [
            "".join(line[column].data for column in range(self.columns)).rstrip() for line in self.screen.history.top
        ]
        lines = [*above, *self.lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def run(
        self,
        folder: Path,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        meanwhile: Callable[[Terminal], None] | None = None,
    ) -> Terminal:
        """`pytest *arguments` in `folder`; `meanwhile` is called whenever the picture has changed."""
        self._master, slave = pty.openpty()
        self.resize(self.columns, self.rows)
        kept = {name: value for name, value in environment().items() if name not in ("COLUMNS", "LINES", "CI")}
        pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        command = [sys.executable, "-c", _TAKING_THE_TERMINAL, *pytest]
        with subprocess.Popen(
            command,
            cwd=folder,
            env=kept | {"TERM": "xterm-256color"} | dict(variables or {}),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        ) as process:
            os.close(slave)
            self._process = process
            try:
                self._follow(meanwhile)
            finally:
                process.kill()
                os.close(self._master)
        self.returncode = process.returncode
        return self

    def _follow(self, meanwhile: Callable[[Terminal], None] | None) -> None:
        started = time.monotonic()
        while time.monotonic() - started < PATIENCE:
            readable, _, _ = select.select([self._master], [], [], 0.1)
            try:
                written = os.read(self._master, 65536) if readable else b""
            except OSError:  # whoever wrote is gone
                self._process.wait()
                return
            if not written:
                continue
            self._stream.feed(written)
            if not self.pictures or self.lines != self.pictures[-1]:
                self.pictures.append(self.lines)
                if meanwhile:
                    meanwhile(self)
        raise TimeoutError(self.lines)

    def resize(self, columns: int, rows: int) -> None:
        """As a user does with the mouse: the run is told of it."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if (columns, rows) != (self.columns, self.rows):
            self.columns, self.rows = columns, rows
            self.screen.resize(rows, columns)

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())


def shown(pictures: Sequence[Sequence[str]]) -> list[list[str]]:
    """Of each picture the region below pytest's lines, where there is one: from the bar to the last worker."""
    found = []
    for picture in pictures:
        starts = [place for place, line in enumerate(picture) if line.startswith("mieb ") and " tasks" in line]
        if starts:
            found.append([line for line in picture[starts[-1] :] if line])
    return found
