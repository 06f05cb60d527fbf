"""A worker tells the controller what it does while its tests run: what it prints does not reach anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mieb.runtime.progress import Beacon

if TYPE_CHECKING:
    from pytest_mieb.plugin.session import MiebSession


class Telling:
    """The hooks of a worker that was given a channel to the controller."""

    def __init__(self, session: MiebSession, channel: Any) -> None:
        self._beacon = Beacon(lambda: session.evaluator.status, channel.send)

    def pytest_sessionstart(self) -> None:
        self._beacon.start()

    def pytest_unconfigure(self) -> None:
        self._beacon.stop()
