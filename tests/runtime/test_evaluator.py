"""What one process runs tasks with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pytest_mieb.measurement.result import TaskResult
from pytest_mieb.runtime.evaluator import Evaluator
from pytest_mieb.runtime.settings import Settings, parse_settings
from pytest_mieb.suite.cards import load_tasks
from tests.models.builders import build_clip
from tests.plugin.toy import CARDS, write_cards, write_mirror

CHOSEN = ("ToyProbe", "ToyZeroShot", "ToyLanguages", "ToySTS")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A small CLIP on the toy tasks."""
    root = tmp_path_factory.mktemp("evaluator")
    write_mirror(root / "mirror")
    write_cards(root / "cards", CARDS)
    build_clip(root / "clip")
    values = {"model": str(root / "clip"), "data": str(root / "mirror"), "tasks": [str(root / "cards")]}
    values |= {"baseline": "none", "device": "cpu", "batch_size": "4", "sizes": "any"}
    return parse_settings(values, root=root, baselines=root)


def results(settings: Settings, folder: Path) -> dict[str, TaskResult]:
    evaluator = Evaluator(replace(settings, cache=folder / "cache", results=folder / "results"), None)
    tasks = load_tasks(settings.tasks)
    try:
        return {name: evaluator.result(tasks[name]) for name in CHOSEN}
    finally:
        evaluator.close()


@pytest.mark.filterwarnings("ignore::pytest_mieb.runtime.evaluator.MiebWarning")
def test_a_model_on_two_devices_scores_to_the_bit_as_on_one(settings: Settings, tmp_path: Path) -> None:
    one = results(settings, tmp_path / "one")
    two = results(replace(settings, device="cpu,cpu"), tmp_path / "two")
    for name, alone in one.items():
        assert (two[name].score, two[name].embedded) == (alone.score, alone.embedded)
        for subset, each in alone.subsets.items():
            np.testing.assert_array_equal(two[name].subsets[subset].scored.outcomes, each.scored.outcomes)
