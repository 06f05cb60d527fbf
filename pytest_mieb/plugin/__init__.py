"""Every pytest hook of the package. Without `--mieb-model` they do nothing but declare options and markers."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mieb.plugin.fixtures import mieb_embedder, mieb_result, mieb_session, mieb_task, mieb_verdict
from pytest_mieb.plugin.keys import CHANNEL, HELPED, MESSAGE, NOTHING, SELECTED, SESSION, TASK, VERDICT
from pytest_mieb.plugin.options import add_options, read_settings
from pytest_mieb.suite import CATEGORIES, SUITES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from pytest_mieb.plugin.session import MiebSession
    from pytest_mieb.report.view import View

INCOMPLETE = 6

__all__ = ["mieb_embedder", "mieb_result", "mieb_session", "mieb_task", "mieb_verdict"]


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    for category in CATEGORIES:
        config.addinivalue_line("markers", f"{category}: MIEB tasks of this category")
    for suite, description in SUITES.items():
        config.addinivalue_line("markers", f"{suite}: {description}")
    settings = read_settings(config)
    if settings is None:
        return
    from pytest_mieb.plugin.collecting import add_suite
    from pytest_mieb.plugin.scheduling import worker_of
    from pytest_mieb.plugin.session import MiebSession

    session = MiebSession(settings, worker_of(config))
    config.stash[SESSION] = session
    with_suite = add_suite(config)
    config.pluginmanager.register(ActiveRun(session, config.invocation_params.args, with_suite), "mieb-run")
    if watching := _watching(session, config):
        config.pluginmanager.register(watching, "mieb-watching")


def _watching(session: MiebSession, config: pytest.Config) -> object | None:
    """The hooks by which the run can be watched: those of who shows it, or of a worker that somebody asks."""
    if session.worker is None:
        from pytest_mieb.plugin.watching import Watching

        return Watching(session)
    channel = getattr(config, "workerinput", {}).get(CHANNEL)
    if channel is None:
        return None
    from pytest_mieb.plugin.telling import Telling

    return Telling(session, channel)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if TASK not in metafunc.fixturenames or _parametrised_by_hand(metafunc):
        return
    session = metafunc.config.stash.get(SESSION, None)
    tasks = session.tasks.values() if session else ()
    metafunc.parametrize(
        TASK,
        [
            pytest.param(task.name, id=task.name, marks=[getattr(pytest.mark, name) for name in task.markers])
            for task in tasks
        ],
        indirect=True,
    )


def _parametrised_by_hand(metafunc: pytest.Metafunc) -> bool:
    return any(
        TASK in (marker.args[0].split(",") if isinstance(marker.args[0], str) else marker.args[0])
        for marker in metafunc.definition.iter_markers("parametrize")
        if marker.args
    )


def _tasks_of(items: Iterable[pytest.Item], *, judged: bool = False) -> set[str]:
    """The tasks that tests are about; with `judged` only those whose verdict a test asks for."""
    messages = (item.stash.get(MESSAGE, None) for item in items)
    return {message.task for message in messages if message and (message.judged or not judged)}


class ActiveRun:
    """The hooks of a run with `--mieb-model`: each hands over at once."""

    def __init__(self, session: MiebSession, args: Sequence[str], with_suite: bool) -> None:
        from pytest_mieb.report.run import Run

        self.session = session
        self.with_suite = with_suite
        self.interruptible = False
        self.nothing = False
        self.run_id = ""
        self.named: set[str] = set()
        self.view: View | None = None
        settings = session.settings
        self.run = Run(
            tuple(map(str, args)),
            session.tasks,
            session.baseline,
            settings.policy,
            published_data=settings.data == "hub",
            model_name=settings.model.text,
        )

    def pytest_report_header(self, config: pytest.Config) -> list[str]:
        from pytest_mieb.plugin.collecting import replaced
        from pytest_mieb.plugin.scheduling import chosen_distribution

        instead, chosen = replaced(config), chosen_distribution(config)
        return [
            self.session.header(),
            *([f"mieb suite: {instead}"] if instead else []),
            *([f"mieb workers: --dist={chosen} spreads the tasks, and not what they cost"] if chosen else []),
        ]

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
        """Collect the suite's own module also where a project's `python_files` says that tests are called otherwise."""
        patterns = parent.config.getini("python_files")
        if any(fnmatch(file_path.name, pattern) for pattern in patterns):
            return None
        return self.pytest_pycollect_makemodule(file_path, parent)

    def pytest_pycollect_makemodule(self, module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
        from pytest_mieb.plugin.collecting import is_suite, suite_module

        return suite_module(parent, module_path) if is_suite(module_path) else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Before -k and -m select among them."""
        from pytest_mieb.plugin.collecting import missing
        from pytest_mieb.report.message import Message

        if self.with_suite:
            items += missing(session, items)
        for item in items:
            name = getattr(getattr(item, "callspec", None), "params", {}).get(TASK)
            if name:
                item.stash[MESSAGE] = Message(str(name), judged=VERDICT in item.fixturenames)  # type: ignore[attr-defined]
                item.user_properties.append((TASK, name))

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """With workers this process loads no model, but can tell what lies in a folder before they start."""
        if self.session.worker is not None:
            return
        from pytest_mieb.support.termination import interrupt_on_sigterm

        self.interruptible = interrupt_on_sigterm()
        self.session.sweep()
        if getattr(session.config.option, "dist", "no") != "no":
            self.session.recognise_or_refuse()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Load the model before the first item, so that one that cannot be loaded is one usage error.

        So are tests of which none asks for a task; a worker then runs none, and tells the controller.
        """
        from pytest_mieb.plugin.collecting import asks_for_nothing, refusal

        self.nothing = not session.testsfailed and asks_for_nothing(session.items)
        if self.nothing and self.session.worker is None:
            raise pytest.UsageError(refusal(self.session.settings.model.text))
        if self.nothing:
            session.items.clear()
        names, judged = _tasks_of(session.items), _tasks_of(session.items, judged=True)
        self.named |= names
        self.run.selected |= judged
        self.session.selected |= judged
        self.session.ask(names)
        if names and self.session.worker is None and not session.config.option.collectonly:
            self.session.load_or_refuse()

    def pytest_report_collectionfinish(self) -> list[str]:
        """What was loaded, under the header, and what it will cost."""
        description = self.session.evaluator.description
        if description is None:
            return []
        cost = self.session.cost_line(self.named)
        return [*(f"mieb {line}" for line in description.lines), *([cost] if cost else [])]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        from pytest_mieb.report.run import task_in

        first = not self.run.selected
        suite = (nodeid for nodeid in ids if "::test_mieb[" in nodeid)
        self.run.selected |= {name for nodeid in suite if (name := task_in(nodeid, self.session.tasks))}
        cost = self.session.cost_line(self.run.selected) if first else None
        if cost:
            node.config.pluginmanager.getplugin("terminalreporter").write_line(cost)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker knows also which of the user's own tests ask for a verdict; an id does not tell."""
        self.run_id = node.workerinput["testrunuid"]
        output = getattr(node, "workeroutput", {})
        self.run.selected |= set(output.get(SELECTED, ()))
        self.nothing = self.nothing or bool(output.get(NOTHING))
        self.run.helped += output.get(HELPED, 0)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        from pytest_mieb.plugin.scheduling import chosen_distribution, make_scheduler

        if chosen_distribution(config):
            return None
        return make_scheduler(config, log, self.session.tasks, self.session.known_seconds, self.run.died.append)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, report: pytest.TestReport) -> None:
        """Say what a worker was embedding when it died."""
        report.longrepr = "\n".join([str(report.longrepr), *self.session.claims_of_the_dead(self.run_id)])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """The data of the next item's task are read while this one's is embedded and scored."""
        following = nextitem.stash.get(MESSAGE, None) if nextitem else None
        self.session.evaluator.expect(self.session.tasks.get(following.task) if following else None)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        from pytest_mieb.plugin.messages import put

        report = yield
        put(item, report)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        from pytest_mieb.plugin.messages import notice

        self.run.note(notice(report))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        """After the last item: decide what only all of them together show."""
        try:
            result = yield
            if self.session.worker is not None and not session.config.option.maxfail:
                self.session.evaluator.help()
        finally:
            if self.session.worker is None and not session.config.option.collectonly:
                from pytest_mieb.plugin.items import conclude

                self.session.record_run(self.run)
                conclude(self.run, session)
        if self.nothing and self.session.worker is None:
            from pytest_mieb.plugin.collecting import refusal

            raise pytest.UsageError(refusal(self.session.settings.model.text))
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self.session.evaluator.settle()
        if self.session.worker is not None:
            output = session.config.workeroutput  # type: ignore[attr-defined]
            helped = self.session.evaluator.helped
            output |= {SELECTED: sorted(self.session.selected), NOTHING: self.nothing, HELPED: helped}
            return
        if session.config.option.collectonly:
            return
        self.run.helped += self.session.evaluator.helped
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and self.run.only_incomplete:
            session.exitstatus = INCOMPLETE
        self.view = self.session.finish(self.run)

    def pytest_unconfigure(self) -> None:
        self.session.evaluator.close()
        if self.interruptible:
            from pytest_mieb.support.termination import restore

            restore()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        if self.view is None or exitstatus == pytest.ExitCode.USAGE_ERROR:
            return
        from pytest_mieb.report.summary import summary_lines

        lines = summary_lines(self.view)
        if lines:
            terminalreporter.write_sep("=", "mieb")
        for line in lines:
            terminalreporter.write_line(line)
