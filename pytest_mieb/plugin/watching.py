"""A run as it can be watched: live on a terminal, below what pytest prints there, or by a line a minute in a log."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mieb.plugin.keys import CHANNEL
from pytest_mieb.plugin.messages import notice
from pytest_mieb.report.course import Course, Snapshot
from pytest_mieb.runtime.progress import Status
from pytest_mieb.suite.costs import seconds_of

if TYPE_CHECKING:
    from pytest_mieb.plugin.displays import Display
    from pytest_mieb.plugin.session import MiebSession

# Seconds after which pytest is not expected to write more at once.
_QUIET = 0.05
# Seconds after which one looks again at what is done, also where it is shown more rarely.
_LOOK = 5.0


def form_of(config: pytest.Config, asked: str, environment: Mapping[str, str]) -> str:
    """How a run is shown: `live`, `lines` or `none`.

    Raises:
        pytest.UsageError: `live` was asked for, and cannot be.
    """
    if asked == "none" or config.get_verbosity() <= -2 or config.option.collectonly:
        return "none"
    obstacle = _obstacle(config, environment)
    if asked == "live" and obstacle:
        raise pytest.UsageError(
            f"--mieb-progress=live cannot be shown: {obstacle}; leave it out, or give lines or none"
        )
    if asked == "live" or not (asked == "lines" or obstacle or environment.get("CI")):
        return "live"
    return "lines" if _descriptor() is not None else "none"


def _obstacle(config: pytest.Config, environment: Mapping[str, str]) -> str | None:
    """Why no lines can be moved about on this terminal, or None."""
    if _descriptor() is None or not sys.stdout.isatty() or sys.platform == "win32":
        return "pytest does not write to a terminal that can be drawn on"
    if environment.get("TERM", "dumb") == "dumb":
        return "TERM names a terminal that cannot be drawn on"
    if (capture := config.getoption("capture", "no")) not in ("fd", "sys"):
        return f"with --capture={capture} tests write to the terminal too"
    logging = config.pluginmanager.hasplugin("logging")
    if logging and (config.getini("log_cli") or config.getoption("log_cli_level") is not None):
        return "the log is shown live there (log_cli)"
    if type(config.pluginmanager.getplugin("terminalreporter")) is not pytest.TerminalReporter:
        return "another plugin draws there"
    return None


def _descriptor() -> int | None:
    """Where pytest writes; None where that is nothing of the system's, as within another pytest."""
    try:
        return sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return None


class Watching:
    """The hooks of the process whose terminal it is: it runs the tasks itself, or its workers do."""

    def __init__(self, session: MiebSession) -> None:
        self._session = session
        self._form = "none"
        self._lock = threading.RLock()
        costs = {name: seconds_of(task, session.known_seconds) for name, task in session.tasks.items()}
        self._course = Course(costs, session.tasks, monotonic())
        self._channels: dict[str, Any] = {}
        self._display: Display | None = None
        self._alone = self._paused = False
        self._stopped, self._soon = threading.Event(), threading.Event()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Before workers are started."""
        self._form = form_of(session.config, self._session.settings.progress, os.environ)
        self._alone = getattr(session.config.option, "dist", "no") == "no"

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker a way to say what it does while its tests run: what it prints does not reach anybody."""
        if self._form == "none":
            return
        name, channel = node.gateway.id, node.gateway.newchannel()
        self._channels[name] = node.workerinput[CHANNEL] = channel  # one that nobody holds is closed
        channel.setcallback(lambda text: self._hear(name, text))

    def _hear(self, name: str, text: str) -> None:
        with self._lock:
            if name in self._channels:
                self._course.hear(name, Status.loads(text), monotonic())

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        with self._lock:
            self._channels.pop(node.gateway.id, None)
            self._course.lose(node.gateway.id)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._course.expect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        with self._lock:
            self._course.expect(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        message = notice(report).message
        with self._lock:
            if message and message.record and message.record.taken_over:
                self._course.take_over(message.task)
            if report.when in ("teardown", "???"):  # the latter where its worker died
                self._course.finish(report.nodeid)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        descriptor = _descriptor()
        if self._form == "none" or descriptor is None:
            return (yield)
        from pytest_mieb.plugin.displays import in_turn

        writer = session.config.get_terminal_writer()
        self._display = display = self._displayed(os.dup(descriptor), session.config)
        drawing = threading.Thread(target=self._draw, args=(display,), name="mieb-progress", daemon=True)
        with in_turn(writer, self._lock, self._give_way):
            drawing.start()
            try:
                return (yield)
            finally:
                self._stopped.set()
                self._soon.set()
                drawing.join()
                self._display = None
                with suppress(OSError):  # of a terminal that is gone
                    display.close()

    def _displayed(self, descriptor: int, config: pytest.Config) -> Display:
        from pytest_mieb.plugin.displays import Below, Between

        encoding = sys.stdout.encoding or "utf-8"
        if self._form == "live":
            return Below(descriptor, config.get_terminal_writer(), encoding=encoding)
        return Between(descriptor, encoding=encoding, whole=config.get_verbosity() > 0)

    def _draw(self, display: Display) -> None:
        """Show the run again and again, and look at it more often, until it ends."""
        due = monotonic() + display.first
        while not self._stopped.is_set():
            if self._soon.wait(min(_LOOK, max(0.0, due - monotonic()))):
                if self._stopped.wait(_QUIET):
                    return
                self._soon.clear()
                due = monotonic()
            with self._lock, suppress(OSError):  # of a terminal that is gone
                now = self._now()
                if monotonic() >= due:
                    due = monotonic() + display.pause
                    if now.tasks and not self._paused:  # until then the workers collect
                        display.draw(now)

    def _now(self) -> Snapshot:
        now = monotonic()
        if self._alone:
            self._course.hear("", self._session.evaluator.status, now)
        return self._course.at(now)

    def _give_way(self, text: str) -> None:
        if self._display and self._display.give_way(text):
            self._soon.set()

    def pytest_enter_pdb(self) -> None:
        """From here on the terminal is somebody's who debugs a test."""
        with self._lock:
            self._paused = True
            self._give_way("")

    def pytest_leave_pdb(self) -> None:
        with self._lock:
            self._paused = False
