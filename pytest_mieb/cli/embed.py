"""`pytest-mieb embed`: fill the store with what tasks need, so that a later run only scores."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mieb.cli.sides import RefusalError, exiting_on_refusal
from pytest_mieb.runtime.options import OPTIONS
from pytest_mieb.support.termination import interrupt_on_sigterm, restore

if TYPE_CHECKING:
    from pytest_mieb.runtime.evaluator import Evaluator
    from pytest_mieb.runtime.settings import Settings
    from pytest_mieb.suite import Task

FINE, INCOMPLETE, INTERRUPTED = 0, 1, 2


def declare(commands: Any) -> None:
    parser = commands.add_parser(
        "embed",
        help="embed what tasks need, without scoring them",
        description="Embed what the selected tasks need, and store it: a run of pytest with the same --mieb-cache or "
        "--mieb-store, model, batch size and dtype then only scores. Processes that do so at the same time share the "
        "work. Exit code 1: a task's data or the model fails; the others are embedded all the same.",
    )
    parser.add_argument(
        "-m", dest="markers", default="", metavar="MARKEXPR", help="tasks of these markers, as in pytest"
    )
    parser.add_argument("-k", dest="names", default="", metavar="EXPRESSION", help="tasks of these names, as in pytest")
    for option in OPTIONS:
        if option.judges:
            continue
        keywords: dict[str, Any] = {"help": option.help.replace("%", "%%"), "dest": option.name.removeprefix("mieb_")}
        keywords |= {"action": "store_true"} if option.switch else {"metavar": option.metavar}
        if option.repeated:
            keywords["action"] = "append"
        parser.add_argument(option.flag, default=None, required=option.name == "mieb_model", **keywords)
    parser.set_defaults(run=exiting_on_refusal(run), command="embed")


def run(given: argparse.Namespace) -> int:
    from pytest_mieb.embedding import SharedError
    from pytest_mieb.models import ModelError
    from pytest_mieb.runtime.evaluator import Evaluator

    settings = _settings(given)
    tasks = _tasks(given, settings)
    evaluator = Evaluator(settings, None)
    ours = interrupt_on_sigterm()
    try:
        if evaluator.shared:
            evaluator.shared.reach()
        evaluator.probes  # noqa: B018 - the model is loaded, and looked at
        with _warnings_in_plain_words():
            failed = _embed(evaluator, tasks)
        evaluator.settle()
    except (ModelError, SharedError) as error:
        raise RefusalError(str(error)) from error
    except KeyboardInterrupt:
        _say("interrupted: what was embedded is stored, and the same command goes on from there")
        return INTERRUPTED
    finally:
        evaluator.close()
        if ours:
            restore()
    return INCOMPLETE if failed else FINE


def _settings(given: argparse.Namespace) -> Settings:
    from pytest_mieb.runtime.settings import SettingsError, parse_settings

    values = {option.name.removeprefix("mieb_") for option in OPTIONS if not option.judges}
    chosen = {name: getattr(given, name) for name in values}
    here = Path.cwd()
    try:
        return parse_settings({**chosen, "baseline": "none"}, root=here, baselines=here / "baselines")
    except SettingsError as error:
        raise RefusalError(str(error)) from error


def _tasks(given: argparse.Namespace, settings: Settings) -> list[Task]:
    """The selected tasks, the costliest first."""
    from pytest_mieb.runtime.timings import known_seconds
    from pytest_mieb.suite.cards import CardError, load_tasks
    from pytest_mieb.suite.costs import seconds_of
    from pytest_mieb.suite.selection import SelectionError, select

    try:
        tasks = select(load_tasks(settings.tasks), given.markers, given.names)
    except (CardError, SelectionError) as error:
        raise RefusalError(str(error)) from error
    known = known_seconds(settings.cache, settings.data)
    return sorted(tasks.values(), key=lambda task: -seconds_of(task, known))


def _embed(evaluator: Evaluator, tasks: list[Task]) -> int:
    """Embed task by task, saying what became of each; how many failed."""
    from pytest_mieb.data import DatasetError
    from pytest_mieb.embedding import EmbeddingError

    evaluator.ask(tasks)
    failed, embedded, reused = 0, 0, 0
    for number, (task, following) in enumerate(zip(tasks, [*tasks[1:], None], strict=True), start=1):
        evaluator.expect(following)
        place = f"{number}/{len(tasks)} {task.name}"
        if reason := evaluator.lacks(task):
            _say(f"{place}: not applicable, {reason}")
            continue
        try:
            counts = evaluator.embed(task)
        except (DatasetError, EmbeddingError) as error:
            failed += 1
            _say(f"{place}: failed: {error}")
            continue
        embedded += counts.embedded
        reused += counts.reused
        _say(
            f"{place}: {counts.embedded:,} items embedded, {counts.reused:,} were stored, {counts.seconds.total:.1f} s"
        )
    outcome = f"; {failed} of {len(tasks)} tasks failed" if failed else ""
    _say(f"{embedded + evaluator.helped:,} items embedded, {reused - evaluator.helped:,} were stored{outcome}")
    return failed


@contextmanager
def _warnings_in_plain_words() -> Iterator[None]:
    """A warning as its sentence, not as a line of source."""
    with warnings.catch_warnings():
        warnings.showwarning = _tell
        yield


def _tell(message: Warning | str, *where: Any, **more: Any) -> None:
    sys.stderr.write(f"warning: {message}\n")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
