"""A run while it lasts, rendered: by tables, without a terminal."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from pytest_mieb.report.course import At, Snapshot
from pytest_mieb.report.progress import about, clock, doing, live, plain, rendered
from pytest_mieb.runtime.progress import Status

TWO = (
    At("gw0", Status("embedding", "CIFAR10", "cuda:0", 3200, 0, 10000), rate=602.3),
    At("gw1", Status("scoring", "STL10ZeroShot", "cuda:1", 9, 9, 9), rate=601.9, lasts=185.0),
)
RUN = Snapshot(17, 51, 723.0, 312004, 540.0, TWO)
NAMES = ("CIFAR10", "W" * 70, "日本語" * 9, "[red]not markup[/]", ":smile:", "🎉" * 30)


def snapshot(*workers: At, left: float | None = None, done: int = 0) -> Snapshot:
    return Snapshot(done, 51, 3723.0, 5, left, workers)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.9, "0:00"), (61.0, "1:01"), (723.4, "12:03"), (3600.0, "1:00:00"), (90061.0, "25:01:01")],
)
def test_a_clock(seconds: float, expected: str) -> None:
    assert clock(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "under a minute"),
        (44.0, "under a minute"),
        (46.0, "about 1 min"),
        (89.0, "about 1 min"),
        (91.0, "about 2 min"),
        (9.4 * 60, "about 9 min"),
        (11 * 60, "about 10 min"),
        (27 * 60, "about 25 min"),
        (87 * 60, "about 85 min"),
        (88 * 60, "about 1 h"),
        (100 * 60, "about 2 h"),
        (40 * 3600, "about 40 h"),
    ],
)
def test_an_estimate_is_no_more_exact_than_it_is(seconds: float, expected: str) -> None:
    assert about(seconds) == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (At("gw0", Status()), "starting"),
        (At("gw0", Status("embedding", "A", "", 1500, 0, 1500), lasts=59.0), "embedding 1,500 of 1,500"),
        (At("gw0", Status("embedding", "A", "", 5, 5, 5)), "embedding"),
        (At("gw0", Status("embedding", "A", "", 7, 5, 10), lasts=60.0), "embedding 2 of 5, 60 s"),
        (At("gw0", Status("scoring", "A"), lasts=185.0), "scoring, 3 min"),
        (At("gw0", Status("scoring", "A"), lasts=185.0, silent=30.0), "scoring, 3 min"),
        (At("gw0", Status("scoring", "A"), lasts=185.0, silent=40.0), "no sign of life for 40 s"),
        (At("gw0", Status("waiting"), silent=240.0), "no sign of life for 4 min"),
    ],
)
def test_what_a_worker_does(at: At, expected: str) -> None:
    assert doing(at) == expected


PLAIN = {
    "two workers": (
        RUN,
        "mieb 12:03  17 of 51 tasks, 312,004 items embedded, 1,204 a second (gw0 cuda:0 602, gw1 cuda:1 602), "
        "about 9 min left; running: CIFAR10 (embedding 3,200 of 10,000), STL10ZeroShot (scoring, 3 min)",
    ),
    "one process": (
        snapshot(At("", Status("loading data", "CIFAR10", "cpu"), rate=2.54)),
        "mieb 1:02:03  0 of 51 tasks, 5 items embedded, 2.5 a second (cpu), time left: not known yet; "
        "running: CIFAR10 (loading data)",
    ),
    "workers that start": (
        snapshot(At("gw0", Status()), At("gw1", Status("loading the model", None, "cpu"))),
        "mieb 1:02:03  0 of 51 tasks, 5 items embedded, 0 a second (gw0 0, gw1 cpu 0), time left: not known yet; "
        "running: gw0 (starting), gw1 (loading the model)",
    ),
    "one that waits, one that hangs": (
        snapshot(At("gw0", Status("waiting")), At("gw1", Status("scoring", "A"), silent=40.0), left=5.0, done=9),
        "mieb 1:02:03  9 of 51 tasks, 5 items embedded, 0 a second (gw0 0, gw1 0), under a minute left; "
        "running: A (no sign of life for 40 s)",
    ),
    "all is done": (snapshot(done=51), "mieb 1:02:03  51 of 51 tasks, 5 items embedded, 0 a second"),
}


@pytest.mark.parametrize(("run", "expected"), PLAIN.values(), ids=PLAIN)
def test_all_of_it_in_one_line(run: Snapshot, expected: str) -> None:
    assert plain(run) == expected


def test_of_many_workers_a_line_names_some() -> None:
    line = plain(snapshot(*(At(f"gw{n}", Status("scoring", f"T{n}", "cpu"), rate=1.0) for n in range(32))))
    assert "32 a second (gw0 cpu 1.0, " in line and "gw7 cpu 1.0, and 24 more), " in line
    assert line.endswith("T7 (scoring), and 24 more")


LIVE = {
    "wide": (
        RUN,
        100,
        [
            f"mieb {'━' * 10:31} 17 of 51 tasks  12:03  about 9 min left  312,004 items, 1,204/s",
            "gw0  cuda:0  602/s  CIFAR10        embedding 3,200 of 10,000",
            "gw1  cuda:1  602/s  STL10ZeroShot  scoring, 3 min",
        ],
    ),
    "narrow": (
        RUN,
        45,
        [
            "mieb 17 of 51 tasks  12:03  about 9 min left",
            "gw0  CIFAR10        embedding 3,200 of 10,000",
            "gw1  STL10ZeroShot  scoring, 3 min",
        ],
    ),
    "very narrow": (RUN, 24, ["mieb 17 of 51 tasks", "gw0  CIFAR10  embedding…", "gw1  STL10Z…  scoring, …"]),
    "one process": (
        snapshot(At("", Status("loading data", "CIFAR10", "cpu"))),
        70,
        ["mieb 0 of 51 tasks  1:02:03  time left: not known yet  5 items, 0/s", "cpu  0/s  CIFAR10  loading data"],
    ),
}


@pytest.mark.parametrize(("run", "width", "expected"), LIVE.values(), ids=LIVE)
def test_a_line_for_the_run_and_one_for_each_worker(run: Snapshot, width: int, expected: list[str]) -> None:
    assert rendered(live(run, width), width, colour=False) == expected


def test_of_many_workers_those_that_are_silent_are_not_left_out() -> None:
    workers = [At(f"gw{n}", Status("scoring", f"T{n}", "cpu"), 2.0, silent=40.0 * (n == 30)) for n in range(32)]
    _, *rows = rendered(live(snapshot(*workers), 100), 100, colour=False)
    assert [row.split()[0] for row in rows[:-1]] == [*(f"gw{n}" for n in range(7)), "gw30"]
    assert rows[-2].endswith("no sign of life for 40 s")
    assert rows[-1].split() == ["48/s", "and", "24", "more"]


@pytest.mark.parametrize("width", [5, 20, 33, 59, 60, 61, 79, 200])
@pytest.mark.parametrize("colour", [False, True])
def test_no_line_is_wider_than_the_terminal_whatever_the_names(width: int, colour: bool) -> None:
    workers = [At(f"gw{n}", Status("embedding", name, "cuda:0", 5, 0, 9), 2.0) for n, name in enumerate(NAMES)]
    lines = rendered(live(snapshot(*workers, At("emoji🎉", Status())), width), width, colour=colour)
    assert len(lines) == 1 + len(NAMES) + 1
    assert all(cell_len(re.sub(r"\x1b\[[\d;]*m", "", line)) <= width for line in lines)
    assert colour or not any("\x1b" in line for line in lines)
    if width == 200:
        assert all(any(name in line for line in lines) for name in NAMES)


def test_an_encoding_without_bars_gets_hyphens() -> None:
    first, *_ = rendered(live(RUN, 100), 100, encoding="ascii", colour=False)
    assert first.startswith("mieb ---------- ") and first.isascii()
