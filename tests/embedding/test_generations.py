"""What is stored under a fingerprint serves the model that stored it, and no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytest_mieb.embedding.generations import SAME, WITNESS, generation
from pytest_mieb.models.probing import Probes

GENERATOR = np.random.default_rng(0)
IMAGES, TEXTS = (GENERATOR.normal(size=(4, 8)).astype(np.float32) for _ in range(2))
SOUND = Probes(IMAGES, TEXTS)


class Warned(list[str]):
    def __call__(self, sentence: str) -> None:
        self.append(sentence)


def moved(by: float, rows: slice = slice(None)) -> Probes:
    """All embeddings of `rows` moved by a share of their length."""
    images = IMAGES.copy()
    images[rows] *= 1 + by
    return Probes(images, TEXTS)


def test_the_same_model_gets_the_same_folder_without_a_word(tmp_path: Path) -> None:
    warned = Warned()
    first = generation(tmp_path, SOUND, warned)
    assert first.parent == tmp_path and first.is_dir()
    assert generation(tmp_path, SOUND, warned) == first
    assert generation(tmp_path, moved(SAME / 2), warned) == first
    assert warned == []


@pytest.mark.parametrize("rows", [slice(None), slice(3, 4)])
def test_a_model_that_changed_gets_another_and_is_told(tmp_path: Path, rows: slice) -> None:
    warned = Warned()
    first = generation(tmp_path, SOUND, warned, owner="my:model", known_as="the fingerprint v1")
    changed = generation(tmp_path, moved(0.02, rows), warned, owner="my:model", known_as="the fingerprint v1")
    assert changed != first
    (sentence,) = warned
    for part in ("stored under the fingerprint v1 (up to 2 % of their length away)", "embedded anew", "give a new one"):
        assert part in sentence
    assert generation(tmp_path, SOUND, warned, owner="my:model") == first
    assert generation(tmp_path, moved(0.02, rows), warned, owner="my:model") == changed
    assert len(warned) == 1


def test_of_a_model_read_from_files_the_machine_is_suspected(tmp_path: Path) -> None:
    warned = Warned()
    generation(tmp_path, SOUND, warned)
    generation(tmp_path, moved(1e-3), warned, known_as="the hash of its files")
    assert "under the hash of its files" in warned[0] and "computes otherwise" in warned[0]


def test_another_dimension_is_another_model(tmp_path: Path) -> None:
    warned = Warned()
    first = generation(tmp_path, SOUND, warned)
    assert generation(tmp_path, Probes(IMAGES[:, :4], TEXTS[:, :4]), warned) != first
    assert "of another dimension" in warned[0]


def test_a_model_without_texts_is_another(tmp_path: Path) -> None:
    none = np.empty((0, 0), np.float32)
    assert generation(tmp_path, Probes(IMAGES, none), Warned()) != generation(tmp_path, SOUND, Warned())


def test_what_moves_by_itself_may_move_that_much_between_runs(tmp_path: Path) -> None:
    warned = Warned()
    first = generation(tmp_path, SOUND, warned)
    unsteady = Probes(moved(5e-4).images, TEXTS, moved=1e-4)
    assert generation(tmp_path, unsteady, warned) == first
    assert warned == []


def test_two_models_may_have_one_fingerprint_and_the_same_probes(tmp_path: Path) -> None:
    """Two that differ in one rare word are as alike; whoever asked for the model belongs to the key."""
    warned = Warned()
    good = generation(tmp_path, SOUND, warned, owner="good:model", known_as="the fingerprint v1")
    bad = generation(tmp_path, SOUND, warned, owner="bad:model", known_as="the fingerprint v1")
    assert good != bad
    (sentence,) = warned
    assert sentence.startswith("the fingerprint v1 is that of good:model too: what that one stored is not used for bad")
    assert generation(tmp_path, SOUND, warned, owner="bad:model") == bad
    assert len(warned) == 1


def test_nobody_is_served_from_where_the_probes_are_lost(tmp_path: Path) -> None:
    first = generation(tmp_path, SOUND, Warned())
    (first / WITNESS).write_bytes(b"torn")
    again = moved(SAME / 2)
    assert generation(tmp_path, again, Warned()) != first


def test_the_run_goes_on_where_nothing_can_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert not generation(blocked, SOUND, Warned()).exists()
