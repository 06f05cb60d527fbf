"""Progress in a terminal and in a log: seen while a run lasts, and no trace of the first in what stays."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence

import pytest

from pytest_mieb.plugin import INCOMPLETE
from tests.plugin.running import Toys, environment, run
from tests.plugin.terminal import Terminal, shown

ONCE = ("--mieb-baseline=none", "--mieb-batch-size=16")
SLOW = ("--mieb-model=toymodels:slow", *ONCE)
FOUR = ("-k", "ToyProbe or ToyLanguages or ToyPairs or ToySTS")
# What no two runs have in common: times, who ran what, and when.
CHANGING = re.compile(r"\d+(\.\d+)? (s|%)(?=\W|$)|in \d+\.\d+s.*|=+|\[gw\d\] |\[ *\d+%\]|\d+ items were .*")


def lasting(terminal: Terminal) -> list[str]:
    """What stays in the terminal, but for times."""
    lines = terminal.text
    end = next((place for place, line in enumerate(lines) if line.startswith("the tasks took")), len(lines) - 1)
    return [CHANGING.sub("", line).strip() for line in [*lines[:end], lines[-1]]]


@pytest.fixture
def here(toys: Toys) -> Toys:
    """One folder for all: what a run prints of its place is then the same."""
    return toys.at(toys.folder)


@pytest.mark.parametrize(
    ("columns", "rows", "arguments"),
    [
        pytest.param(110, 20, [], id="wide"),
        pytest.param(45, 10, ["-v"], id="narrow and low, with names"),
        pytest.param(45, 10, ["-n", "2"], id="workers, narrow and low"),
        pytest.param(110, 20, ["-n", "2", "-v"], id="workers, wide, with names"),
    ],
)
def test_what_stays_is_what_pytest_prints(here: Toys, columns: int, rows: int, arguments: Sequence[str]) -> None:
    given = [*SLOW, *here.options, *FOUR, *arguments]
    plain = Terminal(columns, rows).run(here.folder, *given, "--mieb-progress=none")
    live = Terminal(columns, rows).run(here.folder, *given)
    assert plain.returncode == live.returncode == pytest.ExitCode.OK, live.text
    assert len(plain.text) > rows  # it scrolled
    order = sorted if "-n" in arguments else list
    assert order(lasting(live)) == order(lasting(plain))
    assert not shown(plain.pictures)
    regions = shown(live.pictures)
    assert max(len(region) for region in regions) == 1 + (2 if "-n" in arguments else 1)
    for word in ("of 4 tasks", "ToyProbe", "scoring" if columns > 45 else "sco"):
        assert any(word in line for region in regions for line in region)
    if columns > 45:
        assert any(
            re.search(r"cpu +[\d.]+/s +Toy\w+ +embedding \d+ of \d+$", line) for lines in regions for line in lines
        )
    if "-n" in arguments:
        assert {line.split()[0] for region in regions for line in region[1:]} == {"gw0", "gw1"}


def test_a_worker_that_dies_disappears_and_leaves_no_trace(here: Toys) -> None:
    terminal = Terminal(110, 40).run(
        here.folder, "--mieb-model=toymodels:slow_and_dies", *ONCE, *here.options, "-n", "2"
    )
    assert terminal.returncode == INCOMPLETE
    workers = [{line.split()[0] for line in region[1:]} for region in shown(terminal.pictures)]
    both = workers.index({"gw0", "gw1"})
    assert any(len(names & {"gw0", "gw1"}) == 1 for names in workers[both:])
    assert all(len(names) <= 2 for names in workers)
    text = "\n".join(terminal.text)
    assert "worker 'gw" in text and "crashed while running" in text
    assert not re.search(r"of 8 tasks|/s  Toy", text)


def test_in_a_log_each_line_stands_alone_and_a_name_stays_with_its_outcome(here: Toys) -> None:
    (here.folder / "often.py").write_text(
        "import functools\n\nfrom pytest_mieb.plugin import displays\n\n"
        "displays.Between = functools.partial(displays.Between, pause=0.4)\n"
    )
    command = ["-p", "often", *SLOW, *here.options, *FOUR]
    path = os.pathsep.join([str(here.folder), environment()["PYTHONPATH"]])
    named = run(here.folder, *command, "-v", variables={"CI": "true", "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"})
    by_workers = run(here.folder, *command, "-n", "2", variables={"PYTHONPATH": path})
    for result in (named, by_workers):
        assert result.ret == pytest.ExitCode.OK
        lines = [line for line in result.outlines if line.startswith("mieb 0:")]
        assert len(lines) > 2 and all(
            re.match(r"mieb 0:\d\d  \d of 4 tasks, \d+ items embedded, ", line) for line in lines
        )
        assert not [line for line in result.outlines if " of 4 tasks, " in line and line not in lines]
        assert any("time left: not known yet" in line for line in lines)
    assert any(re.search(r"\(cpu\), .*; running: Toy\w+ \((embedding \d+ of|scoring)", line) for line in named.outlines)
    assert any(re.search(r"\(gw0 cpu [\d.]+, gw1 cpu [\d.]+\)", line) for line in by_workers.outlines)
    passed = [line for line in named.outlines if "PASSED" in line]
    assert len(passed) == 4 and all("::test_mieb[Toy" in line for line in passed)
    assert sum(line.count(".") for line in by_workers.outlines if not line.strip(" .[%]0123456789")) == 4


@pytest.mark.parametrize(
    "arguments", [["-qq"], ["--collect-only"], ["--mieb-progress=none"]], ids=lambda arguments: arguments[0]
)
def test_silent(here: Toys, arguments: Sequence[str]) -> None:
    terminal = Terminal(110, 40).run(here.folder, *SLOW, *here.options, "-k", "ToyProbe", *arguments)
    assert terminal.returncode == pytest.ExitCode.OK
    assert not shown(terminal.pictures) and not any(line.startswith("mieb 0:") for line in terminal.text)


def test_a_debugger_has_the_terminal_to_itself(here: Toys) -> None:
    (here.folder / "test_stops.py").write_text("def test_stops(mieb_embedder): assert not mieb_embedder\n")
    typed: list[list[str]] = []

    def quit_when_asked(terminal: Terminal) -> None:
        asked = [line for line in terminal.lines if line][-1:] == ["(Pdb)"]
        if asked and not typed:
            time.sleep(1.5)  # in which it would be drawn
            typed.append(terminal.lines)
            terminal.press("p 6 * 7\nq\n")

    arguments = [*SLOW, *here.options, "-k", "ToyProbe or stops", "--pdb", "test_stops.py"]
    terminal = Terminal(110, 40).run(here.folder, *arguments, meanwhile=quit_when_asked)
    (here.folder / "test_stops.py").unlink()
    text = "\n".join(terminal.text)
    assert typed and "(Pdb) p 6 * 7\n42\n" in text and "Exit: Quitting debugger" in text
    assert not any("of 1 tasks" in line for line in [*typed[0], *terminal.text])


def test_ctrl_c_and_another_size_leave_no_trace(here: Toys) -> None:
    """Each new picture while the region stands makes the window narrower, then the run is interrupted."""

    def squeeze(terminal: Terminal) -> None:
        if shown([terminal.lines]):
            if terminal.columns > 60:
                terminal.resize(terminal.columns - 10, terminal.rows)
            elif not pressed:
                pressed.append(len(terminal.pictures))
                terminal.press("\x03")

    pressed: list[int] = []
    terminal = Terminal(100, 40).run(here.folder, *SLOW, *here.options, meanwhile=squeeze)
    assert terminal.returncode == pytest.ExitCode.INTERRUPTED and pressed
    text = "\n".join(terminal.text)
    assert "KeyboardInterrupt" in text
    assert not re.search(r"of 8 tasks|/s  Toy", text)
