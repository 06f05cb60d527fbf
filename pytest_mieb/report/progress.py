"""A run while it lasts, as lines: below what pytest prints on a terminal, or one a minute in a log."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pytest_mieb.report.course import At, Snapshot

# How many workers are shown, after how many seconds without a sign one is not heard of, and a stage is said to last.
_SHOWN, _SILENT, _LONG = 8, 30.0, 60.0
_BAR = 10, 40
_NARROW = 60
_NO_SIGN = "no sign of life"


def clock(seconds: float) -> str:
    """12:03, or 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def about(seconds: float) -> str:
    """A time that is an estimate, as no more than that: about 9 min, about 25 min, about 2 h."""
    minutes = seconds / 60
    if minutes < 0.75:
        return "under a minute"
    if minutes < 10:
        return f"about {minutes:.0f} min" if minutes >= 1.5 else "about 1 min"
    if minutes < 87.5:
        return f"about {5 * round(minutes / 5)} min"
    return f"about {minutes / 60:.0f} h"


def doing(at: At) -> str:
    """A worker's stage in words: how far it is, how long that lasts already, or that nothing was heard of it."""
    status = at.status
    if at.silent > _SILENT:
        return f"{_NO_SIGN} for {_lasting(at.silent)}"
    far = f" {status.done:,} of {status.lacking:,}" if status.stage == "embedding" and status.lacking else ""
    return f"{status.stage}{far}{f', {_lasting(at.lasts)}' if at.lasts >= _LONG else ''}"


def _lasting(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def left(snapshot: Snapshot) -> str:
    if snapshot.left is None:
        return "" if snapshot.done == snapshot.tasks else "time left: not known yet"
    return f"{about(snapshot.left)} left"


def _per_second(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 or not rate else f"{rate:.1f}"


def plain(snapshot: Snapshot) -> str:
    """All of it in one line."""
    rates = [
        " ".join(filter(None, (at.worker, at.status.device, _per_second(at.rate) if at.worker else "")))
        for at in snapshot.workers
    ]
    by_worker = f" ({', '.join(_some(rates))})" if any(rates) else ""
    parts = (
        f"{snapshot.done} of {snapshot.tasks} tasks",
        f"{snapshot.embedded:,} items embedded",
        f"{_per_second(snapshot.rate)} a second{by_worker}",
        left(snapshot),
    )
    busy = [f"{at.status.task or at.worker} ({doing(at)})" for at in snapshot.workers if _worth_a_word(at)]
    now = f"; running: {', '.join(_some(busy))}" if busy else ""
    return f"mieb {clock(snapshot.elapsed)}  {', '.join(filter(None, parts))}{now}"


def _worth_a_word(at: At) -> bool:
    return at.status.stage != "waiting" or at.silent > _SILENT


def _some(words: Sequence[str]) -> list[str]:
    return [*words[:_SHOWN], *([f"and {len(words) - _SHOWN} more"] if len(words) > _SHOWN else [])]


def live(snapshot: Snapshot, width: int) -> RenderableType:
    """A line for the run and one for each worker; of many, those of which nothing is heard are never left out."""
    return Group(_whole(snapshot, width), _workers(snapshot.workers, narrow=width < _NARROW))


def _whole(snapshot: Snapshot, width: int) -> RenderableType:
    """The bar and what is known, the most important first, as far as there is room."""
    tasks = f"{snapshot.done} of {snapshot.tasks} tasks"
    rest = (clock(snapshot.elapsed), left(snapshot), f"{snapshot.embedded:,} items, {_per_second(snapshot.rate)}/s")
    said = tasks
    for part in filter(None, rest):
        said = longer if len(longer := f"{said}  {part}") <= width - len("mieb ") else said
    line, room = Table.grid(padding=(0, 1, 0, 0)), width - len("mieb ") - len(said) - 1
    bar = ProgressBar(snapshot.tasks, snapshot.done, min(room, _BAR[1]), complete_style="green", finished_style="green")
    cells: list[RenderableType] = [Text("mieb", "bold"), *([bar] if room >= _BAR[0] else ()), Text(said)]
    for _ in cells:
        line.add_column(no_wrap=True, overflow="ellipsis")
    line.add_row(*cells)
    return line


def _workers(workers: Sequence[At], *, narrow: bool) -> RenderableType:
    """A row each, `narrow` without device and rate; where it is too wide, tasks and stages are cut."""
    shown = sorted(workers, key=lambda at: at.silent <= _SILENT)[:_SHOWN]
    others = [at for at in workers if at not in shown]
    rows = [
        (at.worker, at.status.device, f"{_per_second(at.rate)}/s", at.status.task or "", doing(at))
        for at in workers
        if at in shown
    ]
    if others:
        rows.append(("", "", f"{_per_second(sum(at.rate for at in others))}/s", f"and {len(others)} more", ""))
    kept = [place for place in range(5) if not (narrow and place in (1, 2)) and any(row[place] for row in rows)]
    table = Table.grid(padding=(0, 2, 0, 0))
    for place in kept:
        table.add_column(no_wrap=place < 3, overflow="ellipsis", justify="right" if place == 2 else "left")
    for row in rows:
        style = "bold red" if row[4].startswith(_NO_SIGN) else ""
        table.add_row(*(Text(row[place], style, no_wrap=True, overflow="ellipsis") for place in kept))
    return table


def rendered(what: RenderableType, width: int, *, encoding: str = "utf-8", colour: bool = True) -> list[str]:
    """Lines for a terminal that many columns wide; none is wider."""
    console = Console(
        file=io.TextIOWrapper(io.BytesIO(), encoding=encoding),
        width=width,
        force_terminal=True,
        color_system="auto" if colour else None,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    with console.capture() as captured:
        console.print(what, no_wrap=True, overflow="ellipsis", crop=True)
    return [line.rstrip() for line in captured.get().splitlines()]
