"""The present work of a process that runs tasks: set as it goes on, and told to whoever watches."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from time import monotonic
from typing import Literal

Stage = Literal[
    "starting", "loading the model", "waiting", "loading data", "embedding", "scoring", "calibrating", "helping"
]

# Seconds between two looks, and after how many an unchanged status is told again.
_PAUSE, _SIGN_OF_LIFE = 0.5, 5.0


@dataclass(frozen=True)
class Status:
    """The work of one process at one moment.

    `embedded` counts its items so far, in all tasks. The present task, None between two, began when they were `before`,
    and has all that it needs when they are `goal`; that is known from the stage `embedding` on.
    """

    stage: Stage = "starting"
    task: str | None = None
    device: str = ""
    embedded: int = 0
    before: int = 0
    goal: int = 0

    @property
    def done(self) -> int:
        """Of the items that the store lacked for the present task, those that are embedded."""
        return self.embedded - self.before

    @property
    def lacking(self) -> int:
        """How many items the store lacked for the present task."""
        return max(0, self.goal - self.before)

    @property
    def share(self) -> float:
        """How much of the present task is done, 0..1, by its items; scoring is not counted."""
        if self.task is None or self.stage == "loading data":
            return 0.0
        if self.stage == "embedding":
            return min(1.0, self.done / self.lacking) if self.lacking else 0.0
        return 1.0

    def dumps(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Status:
        return cls(**json.loads(text))


class Progress:
    """What the process does, set by the thread that does it and read by others."""

    def __init__(self) -> None:
        self._now = Status()

    def enter(self, stage: Stage) -> None:
        """Go on to another stage of the present task, or of what is done before the first one."""
        self._now = replace(self._now, stage=stage)

    def begin(self, task: str, embedded: int) -> None:
        """Take up a task, `embedded` items having been embedded before it."""
        self._now = Status("loading data", task, before=embedded)

    def rest(self) -> None:
        """Be done with the task, whatever came of it."""
        self._now = Status("waiting")

    def status(self, device: str, embedded: int, goal: int) -> Status:
        """What is done now, on which device, beside how many items are embedded, and will be when a plan is filled."""
        now = self._now
        return replace(now, device=device, embedded=embedded, goal=goal if now.task else 0)


class Beacon:
    """A thread that looks at the status of its process, and tells it: when it has changed, and as a sign of life.

    A process that hangs in the interpreter's lock, or is dead, tells nothing.
    """

    def __init__(
        self,
        look: Callable[[], Status],
        tell: Callable[[str], None],
        pause: float = _PAUSE,
        sign_of_life: float = _SIGN_OF_LIFE,
    ) -> None:
        self._look, self._tell = look, tell
        self._pause, self._sign_of_life = pause, sign_of_life
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mieb-beacon", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End it, after a message that is under way."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        told, at = None, monotonic()
        while not self._stopped.wait(self._pause):
            now = self._look()
            if now == told and monotonic() - at < self._sign_of_life:
                continue
            told, at = now, monotonic()
            try:
                self._tell(now.dumps())
            except OSError:  # nobody listens any more
                return
