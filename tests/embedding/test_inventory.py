"""What a cache folder holds of embeddings."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from pytest_mieb.embedding import Store, folder_of, generation, label
from pytest_mieb.embedding.inventory import Holding, Label, damaged, inventory, remove
from pytest_mieb.embedding.shared import SHARD, Place, SharedError, located
from pytest_mieb.models.probing import Probes
from tests.embedding.stored import add, find

KEYS = [bytes([number] * 16) for number in range(5)]


def stored(cache: Path, model: str, fingerprint: str, seed: int = 0, used: float | None = None) -> Path:
    """Five embeddings of a model, one of them made in a way of its own."""
    vectors = np.random.default_rng(seed).normal(size=(5, 3)).astype(np.float32)
    folder = generation(folder_of(cache, fingerprint, 64), Probes(vectors, vectors), print)
    label(folder, model, 64)
    store = Store(folder)
    add(store, KEYS[:4], vectors[:4])
    add(store.part("queries"), KEYS[4:], vectors[4:])
    if used is not None:
        os.utime(folder / "label.json", (used, used))
    return folder


def held(cache: Path) -> list[Holding]:
    return inventory(place_of(cache))


def place_of(cache: Path) -> Place:
    return located(str(cache))


def shard(folder: Path) -> Path:
    return sorted(folder.glob(f"*{SHARD}"))[0]


def test_each_model_is_one_and_the_last_used_comes_first(tmp_path: Path) -> None:
    assert held(tmp_path) == []
    old = stored(tmp_path, "./old", "aaaa", used=1000)
    new = stored(tmp_path, "./new", "bbbb", used=2000)
    again = stored(tmp_path, "./again", "bbbb", seed=1, used=1500)
    assert again.parent == new.parent
    found = held(tmp_path)
    assert [(Path(holding.folder), holding.used) for holding in found] == [(new, 2000), (again, 1500), (old, 1000)]
    assert {holding.n_items for holding in found} == {5}
    assert [holding.label for holding in found] == [Label(f"./{name}", 64) for name in ("new", "again", "old")]
    assert all(
        holding.n_bytes == sum(file.stat().st_size for file in Path(holding.folder).rglob("*") if file.is_file())
        for holding in found
    )


def test_what_is_not_probed_and_not_labelled_counts_too(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "metered", 8)
    add(Store(folder), KEYS[:2], np.ones((2, 3), dtype=np.float32))
    os.utime(shard(folder), (3000, 3000))
    (holding,) = held(tmp_path)
    assert (Path(holding.folder), holding.label, holding.n_items, holding.used) == (folder, None, 2, 3000)


@pytest.mark.parametrize("content", ["", "[]", '{"model": "a"}', '{"model": "a", "batch_size": null, "edition": 1}'])
def test_a_label_that_says_nothing_is_none(content: str, tmp_path: Path) -> None:
    folder = stored(tmp_path, "./model", "aaaa")
    (folder / "label.json").write_text(content)
    (holding,) = held(tmp_path)
    assert (holding.label, holding.n_items) == (None, 5)


def test_a_place_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert held(tmp_path) == []
    with pytest.raises(SharedError, match="Not a directory"):
        held(tmp_path / "file")


def test_a_damaged_file_is_named_and_left_for_the_run_that_needs_it(tmp_path: Path) -> None:
    sound, broken = stored(tmp_path, "./sound", "aaaa", used=2), stored(tmp_path, "./broken", "bbbb", used=1)
    flipped = bytearray(shard(broken).read_bytes())
    flipped[-1] ^= 1
    shard(broken).write_bytes(flipped)
    first, second = held(tmp_path)
    assert (Path(first.folder), list(damaged(place_of(tmp_path), first))) == (sound, [])
    assert list(damaged(place_of(tmp_path), second)) == [
        (str(shard(broken)), "its vectors are not those that were written")
    ]
    said: list[str] = []
    assert find(Store(broken, said.append), KEYS[:4]) == {}
    assert len(said) == 1
    (first, second) = held(tmp_path)
    assert (second.n_items, second.n_damaged, list(damaged(place_of(tmp_path), second))) == (1, 1, [])


def test_what_is_removed_leaves_its_neighbours_and_a_run_that_uses_it(tmp_path: Path) -> None:
    kept, gone = stored(tmp_path, "./kept", "aaaa", used=2), stored(tmp_path, "./gone", "aaaa", seed=1, used=1)
    store = Store(gone)
    before = find(store, KEYS[:4])
    remove(place_of(tmp_path), held(tmp_path)[1])
    assert [Path(holding.folder) for holding in held(tmp_path)] == [kept]
    assert set(find(store, KEYS[:4])) == set(before) == set(KEYS[:4])
    add(store, KEYS[4:], np.ones((1, 3), dtype=np.float32))
    assert set(find(store, KEYS)) == set(KEYS)
    remove(place_of(tmp_path), held(tmp_path)[0])
