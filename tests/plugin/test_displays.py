"""What is shown below pytest's lines or between them, on an emulated terminal and in a file."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyte
import pytest

from pytest_mieb.plugin.displays import Below, Between, in_turn
from pytest_mieb.report.course import At, Snapshot
from pytest_mieb.runtime.progress import Status

RUN = Snapshot(
    1,
    3,
    65.0,
    1234,
    None,
    tuple(At(f"gw{n}", Status("embedding", f"Task{n}" * 9, "cpu", 5, 0, 9), 2.5) for n in range(4)),
)


class Screen:
    """A terminal of so many columns and rows, and pytest's writer to it."""

    def __init__(self, columns: int, rows: int, pytestconfig: pytest.Config) -> None:
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen = pyte.HistoryScreen(columns, rows, history=10_000)
        self._stream = pyte.ByteStream(self.screen)
        self.writer: Any = type(pytestconfig.get_terminal_writer())(open(self.slave, "w", closefd=False))  # noqa: SIM115
        os.set_blocking(self._master, False)

    def take_in(self) -> None:
        while True:
            try:
                self._stream.feed(os.read(self._master, 65536))
            except BlockingIOError:
                return

    @property
    def text(self) -> str:
        """What scrolled out of it, and what it shows."""
        self.take_in()
        above = ["".join(line[x].data for x in range(self.screen.columns)) for line in self.screen.history.top]
        return "\n".join(line.rstrip() for line in [*above, *self.screen.display]).rstrip()

    def close(self) -> None:
        os.close(self._master)
        os.close(self.slave)


@pytest.fixture
def screens(pytestconfig: pytest.Config) -> Iterator[list[Screen]]:
    """Two of a size: one with a display, one without."""
    both = [Screen(30, 8, pytestconfig) for _ in range(2)]
    yield both
    for screen in both:
        screen.close()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_written_and_drawn_the_text_stays_the_same(screens: list[Screen], seed: int) -> None:
    """Dots, names longer than a line, lines that end at its edge, blank lines, many at once; and drawn in between."""
    random, (drawn, bare) = Random(seed), screens
    display = Below(os.dup(drawn.slave), drawn.writer, encoding="utf-8")
    seen = 0
    with in_turn(drawn.writer, threading.RLock(), display.give_way):
        for _ in range(60):
            piece = random.choice(
                [".", "x" * 30, "x" * 29, f"{'name' * 20} ", "PASSED\n", "\n", "\n\n", "a\nb\n" * 9, "ü日"]
            )
            for screen in screens:
                screen.writer.write(piece, green=True)
                screen.writer.flush()
            for _ in range(random.randrange(3)):
                display.draw(RUN)
                seen += "1 of 3 tasks" in drawn.text
    display.close()
    assert drawn.text == bare.text
    assert (drawn.screen.cursor.x, len(drawn.text)) == (bare.screen.cursor.x, len(bare.text))
    assert seen > 10


def test_on_a_low_terminal_the_last_workers_are_cut(screens: list[Screen]) -> None:
    screen, _ = screens
    display = Below(os.dup(screen.slave), screen.writer, encoding="utf-8")
    for line in range(20):
        screen.writer.line(f"line {line}")
    screen.writer.write("...", flush=True)
    display.draw(RUN)
    *above, dots, run, one, two, three, four = screen.text.split("\n")
    assert (above[-1], dots, run) == ("line 19", "...", "mieb 1 of 3 tasks  1:05")
    assert [line.split()[0] for line in (one, two, three, four)] == ["gw0", "gw1", "gw2", "gw3"]
    assert all("…" in line for line in (one, two, three, four))
    fcntl.ioctl(screen.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 30, 0, 0))
    display.draw(RUN)
    assert screen.text.split("\n")[-4:-1] == [dots, run, one]
    display.close()
    assert screen.text.endswith("\nline 19\n...")


@pytest.mark.parametrize(
    ("whole", "pieces", "expected"),
    [
        (False, ["..", None, ".\n"], "..\n{}\n  .\n"),
        (False, ["..", None, None, "."], "..\n{}\n{}\n  ."),
        (False, ["done\n", None, "next\n"], "done\n{}\nnext\n"),
        (False, ["..", None, "\nnext\n"], "..\n{}\n\nnext\n"),
        (True, ["a.py::test ", None, "PASSED", "\n"], "a.py::test \n{}\na.py::test PASSED\n"),
        (True, ["a.py::", "test ", None, "PASSED\n", None], "a.py::test \n{}\na.py::test PASSED\n{}\n"),
    ],
)
def test_a_line_between_others(tmp_path: Path, whole: bool, pieces: list[str | None], expected: str) -> None:
    """None is where the run is shown."""
    descriptor = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    display = Between(os.dup(descriptor), encoding="utf-8", whole=whole)
    for piece in pieces:
        if piece is None:
            display.draw(Snapshot(1, 3, 65.0, 1234, None, ()))
        else:
            assert not display.give_way(piece)
            os.write(descriptor, piece.encode())
    display.close()
    os.close(descriptor)
    line = "mieb 1:05  1 of 3 tasks, 1,234 items embedded, 0 a second, time left: not known yet"
    assert (tmp_path / "log").read_text() == expected.replace("{}", line)
