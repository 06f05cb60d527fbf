"""Live progress in a terminal: seen while a run lasts, and no trace of it in what stays."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from tests.plugin.running import Toys
from tests.plugin.terminal import Terminal, shown
from tests.plugin.toy import TASKS

ONCE = ("--mieb-baseline=none", "--mieb-batch-size=16")
SLOW = ("--mieb-model=toymodels:slow", *ONCE)
# Of a line of the summary what no two runs have in common: times, and what two workers embedded at the same time.
CHANGING = re.compile(r"\d+(\.\d+)? (s|%)(?=\W|$)|in \d+\.\d+s|\(\d:\d\d:\d\d\)|=+|\d+ items were .*|the slowest tasks.*")


def lasting(terminal: Terminal) -> list[str]:
    """What stays in the terminal, but for times."""
    lines = terminal.text
    end = next((place for place, line in enumerate(lines) if line.startswith("the tasks took")), len(lines))
    return [CHANGING.sub("", line) for line in [*lines[:end], lines[-1]]]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "with workers"])
@pytest.mark.parametrize("verbose", [(), ("-v",)], ids=["dots", "lines"])
@pytest.mark.parametrize(("columns", "rows"), [(110, 40), (45, 12)], ids=["wide", "narrow and low"])
def test_what_stays_is_what_pytest_prints(
    toys: Toys, workers: Sequence[str], verbose: Sequence[str], columns: int, rows: int
) -> None:
    arguments = [*SLOW, *toys.options, *workers, *verbose]
    plain = Terminal(columns, rows).run(toys.folder.parent, *arguments, "--mieb-progress=none")
    live = Terminal(columns, rows).run(toys.folder.parent, *arguments)
    assert plain.returncode == live.returncode == pytest.ExitCode.OK
    assert not shown(plain.pictures)
    seen = shown(live.pictures)
    print(*seen[len(seen) // 2], sep="\n")
    order = sorted if workers and verbose else list
    assert order(lasting(live)) == order(lasting(plain))
