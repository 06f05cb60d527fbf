"""The public fixtures: a user's own tests can ask for them too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_mieb.plugin.keys import MESSAGE, SESSION

if TYPE_CHECKING:
    from pytest_mieb.gate.verdict import Verdict
    from pytest_mieb.measurement.result import TaskResult
    from pytest_mieb.models import Embedder
    from pytest_mieb.plugin.session import MiebSession
    from pytest_mieb.report.message import Message
    from pytest_mieb.suite import Task


@contextmanager
def _failing_plainly(*kinds: type[Exception]) -> Iterator[None]:
    """Turn an error whose sentence says all into a failure without a traceback."""
    try:
        yield
    except kinds as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@contextmanager
def _billed(item: pytest.Item, embedder: Embedder) -> Iterator[None]:
    """Note on the item what was spent at an API meanwhile, whether or not it came to a score."""
    from pytest_mieb.models.api import Paid

    if not isinstance(embedder, Paid):
        yield
        return
    bill = embedder.bill
    before = bill.spent, bill.unsure
    try:
        yield
    finally:
        _message(item).spend(bill.spent - before[0], bill.unsure - before[1])


def _message(item: pytest.Item) -> Message:
    """What the test says of its task; a test that asks for several tasks by itself speaks of the first."""
    return item.stash[MESSAGE]


@pytest.fixture(scope="session")
def mieb_session(pytestconfig: pytest.Config) -> MiebSession:
    """The run: settings, tasks, source of data, model. A test that uses it is skipped without --mieb-model."""
    session = pytestconfig.stash.get(SESSION, None)
    if session is None:
        pytest.skip("needs --mieb-model")
    return session


@pytest.fixture
def mieb_task(request: pytest.FixtureRequest, mieb_session: MiebSession) -> Task:
    """The task of this item. A test that uses it runs once for every selected task.

    With `@pytest.mark.parametrize("mieb_task", ["CIFAR10"], indirect=True)` it runs for the named ones.
    """
    try:
        return mieb_session.task(request.param)
    except pytest.UsageError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def mieb_embedder(mieb_session: MiebSession) -> Embedder:
    """The loaded model, which was seen to give an item the same embedding whatever lies beside it."""
    from pytest_mieb.models import ModelError

    with _failing_plainly(ModelError):
        return mieb_session.embedder


@pytest.fixture
def mieb_result(
    request: pytest.FixtureRequest, mieb_task: Task, mieb_session: MiebSession, mieb_embedder: Embedder
) -> TaskResult:
    """The task's result: score, subsets, metrics and outcomes. It is computed once, and its files are written."""
    from pytest_mieb.data import DatasetError
    from pytest_mieb.embedding import EmbeddingError, SharedError
    from pytest_mieb.measurement.record import TaskRecord
    from pytest_mieb.models import ModelError
    from pytest_mieb.runtime.evaluation import ScoreError

    evaluator = mieb_session.evaluator
    reason = evaluator.lacks(mieb_task)
    if reason:
        pytest.skip(reason)
    kinds = DatasetError, EmbeddingError, ModelError, ScoreError, SharedError
    with _billed(request.node, mieb_embedder), _failing_plainly(*kinds):
        result = evaluator.result(mieb_task)
    message = _message(request.node)
    message.record = TaskRecord.of(result, evaluator.measured(result))
    message.context, message.model = evaluator.context, mieb_embedder.description
    return result


@pytest.fixture
def mieb_verdict(request: pytest.FixtureRequest, mieb_result: TaskResult, mieb_session: MiebSession) -> Verdict:
    """The verdict on the task against the baseline, and on each of its subsets."""
    from pytest_mieb.gate.comparison import IncomparableError
    from pytest_mieb.measurement.baseline import BaselineError
    from pytest_mieb.plugin.messages import properties

    with _failing_plainly(BaselineError, IncomparableError):
        comparison = mieb_session.compare(mieb_result)
    message = _message(request.node)
    message.comparison = comparison
    verdict = mieb_session.verdict(mieb_result, comparison)
    request.node.user_properties += properties(message, verdict)
    return verdict
