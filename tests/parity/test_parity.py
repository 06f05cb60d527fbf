"""Every task scores as in the reference implementation, whoever runs the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mieb.miniature import mirror
from pytest_mieb.protocols import needs
from pytest_mieb.suite.cards import load_tasks
from tests.parity.comparison import Mode
from tests.parity.run import measure_all
from tests.parity.table import report
from tests.parity.worker import Measurement

BOTH = frozenset({"image", "text"})
MODELS = {"miniature": BOTH, "siglip": BOTH, "open_clip": BOTH, "dinov2": frozenset({"image"})}


@pytest.fixture(scope="module")
def measurements(tmp_path_factory: pytest.TempPathFactory) -> list[Measurement]:
    work: Path = tmp_path_factory.mktemp("parity")
    notices: list[str] = []  # whether the content is the recorded one matters elsewhere; both sides read the same here
    folder = mirror(work / "miniature", notices.append)
    return measure_all(load_tasks(), list(MODELS), ("own", "same"), folder, work)


@pytest.mark.parity
@pytest.mark.parametrize("mode", ["own", "same"])
@pytest.mark.parametrize("model", MODELS)
def test_all_tasks_score_as_in_the_reference(measurements: list[Measurement], model: str, mode: Mode) -> None:
    tasks = load_tasks()
    of_model = [one for one in measurements if one.model == model]
    lines, fine = report(of_model, [mode], tasks)
    print("\n".join(line for line in lines if line.startswith(model)))
    assert {one.task for one in of_model} == {name for name, task in tasks.items() if needs(task) <= MODELS[model]}
    assert fine, "\n".join(lines)


@pytest.mark.parity
def test_both_sides_embed_the_same_items(measurements: list[Measurement]) -> None:
    checks = {(one.model, one.task): one.agreement for one in measurements if one.agreement}
    assert len(checks) == len(measurements)
    assert {key for key, check in checks.items() if check.only_ours or check.only_reference} == set()
