"""The course of a run while it lasts: tests that are done, what each worker says of itself, and the time left."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from pytest_mieb.report.run import task_in
from pytest_mieb.runtime.progress import Status

# No time left is told before so many seconds of work, and so large a part of all costs, went by.
_SECONDS_KNOWN, _SHARE_KNOWN = 5.0, 0.01


@dataclass(frozen=True)
class At:
    """One worker at one moment: items a second of late, how long its stage lasts, and since when it says nothing."""

    worker: str
    status: Status
    rate: float = 0.0
    lasts: float = 0.0
    silent: float = 0.0


@dataclass(frozen=True)
class Snapshot:
    """The run at one moment. `left` is the time that the tasks will still take, None while that is not known."""

    done: int
    tasks: int
    elapsed: float
    embedded: int
    left: float | None
    workers: tuple[At, ...]

    @property
    def rate(self) -> float:
        return sum(at.rate for at in self.workers)


@dataclass
class _Heard:
    """What a worker said last, when, since when it is in that stage, and how much it had embedded at which times."""

    status: Status
    at: float
    since: float
    samples: deque[tuple[float, int]] = field(default_factory=deque)


class Course:
    """Gathers, in one process, what all of them do; every method is told the time, in seconds from anywhere.

    Args:
        costs: what a task takes beside the others, in any unit.
        tasks: the names that a test's id may end with.
        start: when the run began.
        window: over how many seconds items are counted that are said to be embedded in one.
    """

    def __init__(self, costs: Mapping[str, float], tasks: Collection[str], start: float, window: float = 10.0) -> None:
        self._costs, self._tasks, self._start, self._window = costs, tasks, start, window
        self._pending: dict[str, set[str]] = {}
        self._finished: set[str] = set()
        self._taken_over: set[str] = set()
        self._heard: dict[str, _Heard] = {}
        self._of_the_gone = 0
        self._worked = 0.0
        self._last: float | None = None

    def expect(self, nodeids: Iterable[str]) -> None:
        """The tests that will run, which every worker says anew; those that are about no task do not count."""
        for nodeid in nodeids:
            name = task_in(nodeid, self._tasks)
            if name and nodeid not in self._finished:
                self._pending.setdefault(name, set()).add(nodeid)

    def finish(self, nodeid: str) -> None:
        """A test is over, whatever came of it. A task is done when all of its tests are."""
        if name := task_in(nodeid, self._tasks):
            self._finished.add(nodeid)
            self._pending.setdefault(name, set()).discard(nodeid)

    def take_over(self, task: str) -> None:
        """A task whose result an earlier run had: it says nothing of how long the others take."""
        self._taken_over.add(task)

    def hear(self, worker: str, status: Status, now: float) -> None:
        self._go_on(now)
        before = self._heard.get(worker)
        same = before is not None and (before.status.task, before.status.stage) == (status.task, status.stage)
        since = before.since if before and same else now
        samples = before.samples if before else deque([(now, status.embedded)])
        self._heard[worker] = _Heard(status, now, since, samples)

    def lose(self, worker: str) -> None:
        """A worker that is down is shown no more; what it embedded still counts."""
        gone = self._heard.pop(worker, None)
        self._of_the_gone += gone.status.embedded if gone else 0

    def at(self, now: float) -> Snapshot:
        """The run now; the more often one looks, the more exact are rates and the time left."""
        self._go_on(now)
        done = {name for name, tests in self._pending.items() if not tests}
        return Snapshot(
            done=len(done),
            tasks=len(self._pending),
            elapsed=now - self._start,
            embedded=self._of_the_gone + sum(heard.status.embedded for heard in self._heard.values()),
            left=self._left(done),
            workers=tuple(
                At(name, heard.status, self._rate(heard, now), now - heard.since, now - heard.at)
                for name, heard in sorted(self._heard.items(), key=lambda each: (len(each[0]), each[0]))
            ),
        )

    @property
    def _busy(self) -> list[Status]:
        return [heard.status for heard in self._heard.values() if heard.status.task]

    def _go_on(self, now: float) -> None:
        """Count the time until now as that of the workers that were busy meanwhile."""
        self._worked += (now - (now if self._last is None else self._last)) * len(self._busy)
        self._last = now

    def _rate(self, heard: _Heard, now: float) -> float:
        samples = heard.samples
        samples.append((now, heard.status.embedded))
        while len(samples) > 2 and samples[1][0] <= now - self._window:
            samples.popleft()
        seconds = now - samples[0][0]
        return (heard.status.embedded - samples[0][1]) / seconds if seconds else 0.0

    def _left(self, done: Collection[str]) -> float | None:
        """The costs that remain, at the pace so far of those that are paid, shared by the workers that are busy."""
        busy = self._busy
        under_way: defaultdict[str, float] = defaultdict(float)
        for status in busy:
            if status.task and status.task not in done:
                under_way[status.task] = max(under_way[status.task], self._cost(status.task) * status.share)
        paid = sum(self._cost(name) for name in done if name not in self._taken_over) + sum(under_way.values())
        open_ones = sum(self._cost(name) for name in self._pending if name not in done) - sum(under_way.values())
        if open_ones <= 0 or not busy or self._worked < _SECONDS_KNOWN or paid < _SHARE_KNOWN * (paid + open_ones):
            return None
        return open_ones * self._worked / paid / len(busy)

    def _cost(self, task: str) -> float:
        return self._costs.get(task, 0.0)
