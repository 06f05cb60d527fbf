"""How long tasks took here: kept from run to run, so that the next one is spread evenly, and its end is foretold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median

from pytest_mieb.measurement.record import TaskRecord
from pytest_mieb.suite import Task
from pytest_mieb.suite.costs import seconds_of
from pytest_mieb.support.atomic import written

FILE = "seconds.json"
# Which part of its items a task must have embedded, so that its time is that of the whole.
_WHOLE = 0.9
# Of fewer tasks it cannot be told what is the model's and the machine's part of their times.
_FEW = 3


def known_seconds(cache: Path, data: str) -> dict[str, float]:
    """What tasks took on this data, in the unit of the cards; empty where nothing is known."""
    found = _read(cache).get(data)
    if not isinstance(found, dict):
        return {}
    return {name: float(each) for name, each in found.items() if isinstance(each, int | float) and 0 < each < 1e12}


def learn_seconds(cache: Path, data: str, records: Iterable[TaskRecord], tasks: Mapping[str, Task]) -> None:
    """Keep what a run shows; where the cache takes nothing, without effect."""
    known = known_seconds(cache, data)
    learnt = learnt_seconds(records, tasks, known)
    if learnt:
        with suppress(OSError):
            cache.mkdir(parents=True, exist_ok=True)
            with written(cache / FILE) as temporary:
                temporary.write_text(json.dumps({**_read(cache), data: {**known, **learnt}}), encoding="utf-8")


def learnt_seconds(
    records: Iterable[TaskRecord], tasks: Mapping[str, Task], known: Mapping[str, float]
) -> dict[str, float]:
    """The time of each task that embedded its items itself, divided by what makes this model and machine slow.

    That is the median over the tasks of how much longer they took than was known.
    """
    own = {
        record.task: record.seconds.total
        for record in records
        if not record.taken_over and record.embedded >= _WHOLE * (record.embedded + record.reused) > 0
    }
    if len(own) < _FEW:
        return {}
    slowness = median(seconds / seconds_of(tasks[name], known) for name, seconds in own.items())
    return {name: seconds / slowness for name, seconds in own.items() if seconds > 0} if slowness > 0 else {}


def _read(cache: Path) -> dict[str, object]:
    try:
        content = json.loads((cache / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
