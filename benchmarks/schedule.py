"""How evenly tasks are spread over workers, by simulation: `python -m benchmarks.schedule`.

The costs are those of the cards; the order is that of the scheduler itself, asked as pytest-xdist asks it. A worker
embeds chunk by chunk what its task lacks, scores it, and goes on; while others embed what it waits for, and when it has
no more tasks, it embeds for other tasks. The ideal is all work divided by the number of workers.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mieb.embedding.chunks import chunk_size
from pytest_mieb.plugin.scheduling import make_scheduler
from pytest_mieb.suite import Task
from pytest_mieb.suite.cards import load_tasks
from pytest_mieb.suite.costs import SCORING_SHARE, seconds_of

BATCH = 64


@dataclass
class Work:
    """The embedding of one dataset: its chunks that nobody has, each of `seconds`, and when the others are done."""

    seconds: float
    free: int
    done_at: list[float] = field(default_factory=list)


@dataclass
class Node:
    """A worker as pytest-xdist's scheduler sees it."""

    number: int
    queue: list[int] = field(default_factory=list)
    shutting_down: bool = False
    busy: float = 0.0

    @property
    def gateway(self) -> Any:
        return SimpleNamespace(id=f"gw{self.number}")

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        self.queue += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    def __hash__(self) -> int:
        return self.number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 40])
    options = parser.parse_args()
    cards = load_tasks()
    print("| suite | workers | ideal | spread | over the ideal | without sharing chunks |")
    print("|---|---|---|---|---|---|")
    for suite in ("lite", "all"):
        tasks = {name: task for name, task in cards.items() if suite == "all" or suite in task.suites}
        for count in options.workers:
            ideal, spread, alone = makespans(tasks, count)
            over, without = (f"{100 * (each / ideal - 1):.1f} %" for each in (spread, alone))
            print(f"| {suite} | {count} | {ideal / 60:.1f} min | {spread / 60:.1f} min | {over} | {without} |")


def makespans(tasks: Mapping[str, Task], n_workers: int) -> tuple[float, float, float]:
    """Seconds until the last worker is done: ideally, as tasks are spread, and where nobody helps."""
    spread, total = simulated(tasks, n_workers, helping=True)
    alone, _ = simulated(tasks, n_workers, helping=False)
    return total / n_workers, spread, alone


def simulated(tasks: Mapping[str, Task], n_workers: int, *, helping: bool) -> tuple[float, float]:
    """When the last worker is done, and how many seconds of work there are."""
    ids = [f"tasks/test_mieb.py::test_mieb[{name}]" for name in tasks]
    names = list(tasks)
    works = {path: _work(of) for path, of in _by_dataset(tasks).items()}
    total = sum(work.seconds * work.free for work in works.values())
    total += sum(SCORING_SHARE * seconds_of(task, {}) for task in tasks.values())
    config = pytest.Config.fromdictargs({"dist": "load"}, ["--tx", f"{n_workers}*popen", "-p", "xdist"])
    scheduling = make_scheduler(config, SimpleNamespace(loadscopesched=lambda *words: None), tasks, {}, print)
    nodes = [Node(number) for number in range(n_workers)]
    for node in nodes:
        scheduling.add_node(node)
        scheduling.add_node_collection(node, ids)
    scheduling.schedule()
    clock = [(0.0, node.number) for node in nodes]
    last = 0.0
    while clock:
        now, number = heapq.heappop(clock)
        node = nodes[number]
        last = max(last, now)
        took = _step(node, now, tasks, names, works, scheduling, helping=helping)
        if took is not None:
            heapq.heappush(clock, (now + took, number))
    assert not any(work.free for work in works.values()) and scheduling.tests_finished
    return last, total


def _step(
    node: Node,
    now: float,
    tasks: Mapping[str, Task],
    names: Sequence[str],
    works: Mapping[str, Work],
    scheduling: Any,
    *,
    helping: bool,
) -> float | None:
    """What a worker does next, in seconds; None where it ends."""
    if not node.queue:
        return _taken(works.values(), now) if helping else None
    task = tasks[names[node.queue[0]]]
    own = works[task.dataset.path]
    if own.free:
        return _taken([own], now)
    left = max(own.done_at, default=now) - now
    if left > 0:  # others embed what is lacking
        return (_taken(works.values(), now) if helping else None) or min(left, 1.0)
    scheduling.mark_test_complete(node, node.queue.pop(0))
    return SCORING_SHARE * seconds_of(task, {})


def _taken(works: Any, now: float) -> float | None:
    """The next chunk of the costliest dataset; None where nothing is left."""
    work = max(works, key=lambda each: each.free * each.seconds)
    if not work.free:
        return None
    work.free -= 1
    work.done_at.append(now + work.seconds)
    return float(work.seconds)


def _by_dataset(tasks: Mapping[str, Task]) -> dict[str, list[Task]]:
    found: dict[str, list[Task]] = {}
    for task in tasks.values():
        found.setdefault(task.dataset.path, []).append(task)
    return found


def _work(tasks: Sequence[Task]) -> Work:
    longest = max(tasks, key=lambda task: seconds_of(task, {}))
    rows = max(sum(longest.expected.values()), 1)
    chunks = -(-rows // chunk_size(rows, BATCH))
    return Work((1 - SCORING_SHARE) * seconds_of(longest, {}) / chunks, chunks)


if __name__ == "__main__":
    main()
