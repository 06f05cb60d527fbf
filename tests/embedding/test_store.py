"""Embeddings on disk: several processes write, and what is damaged is as if it were not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_mieb.embedding.store import EDITION, Store, folder_of

A, B, C = (bytes([number]) * 16 for number in range(3))


def vectors(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def found(store: Store, *keys: bytes) -> dict[bytes, list[float]]:
    return {key: vector.tolist() for key, vector in store.find(keys).items()}


def shard(folder: Path, kind: str) -> Path:
    (file,) = folder.glob(f"*.{kind}.npy")
    return file


def test_what_was_added_is_found_and_nothing_else(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert found(store, A) == {}
    store.add([A, B], vectors([1, 2], [3, 4]))
    assert found(store, B, C, A) == {B: [3, 4], A: [1, 2]}


def test_a_folder_is_made_when_there_is_something_to_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "b")
    store.add([], np.empty((0, 2), np.float32))
    assert not store.folder.exists()
    store.add([A], vectors([1]))
    assert found(store, A) == {A: [1]}


def test_it_is_there_in_the_next_run(tmp_path: Path) -> None:
    Store(tmp_path).add([A], vectors([1, 2]))
    assert found(Store(tmp_path), A) == {A: [1, 2]}


def test_a_model_has_a_folder_for_each_size_of_batches_and_each_way_of_reading_pictures(tmp_path: Path) -> None:
    assert folder_of(tmp_path, "exp7", 64) == tmp_path / "embeddings" / f"exp7-64-{EDITION}"


@pytest.mark.parametrize("fingerprint", ["/runs/exp7/model.pt", "../../exp7", "..", "step 40000", 300 * "x"])
def test_a_fingerprint_that_is_no_name_of_a_file_stays_in_the_cache(tmp_path: Path, fingerprint: str) -> None:
    folder = folder_of(tmp_path, fingerprint, 64)
    assert folder.resolve().parent == tmp_path / "embeddings" and len(folder.name) < 60
    assert folder != folder_of(tmp_path, f"{fingerprint}0", 64)
    Store(folder).add([A], vectors([1, 2]))
    assert found(Store(folder_of(tmp_path, fingerprint, 64)), A) == {A: [1, 2]}


def test_vectors_are_kept_to_the_last_bit(tmp_path: Path) -> None:
    given = np.random.default_rng(0).normal(size=(1, 9)).astype(np.float32)
    Store(tmp_path).add([A], given)
    kept = Store(tmp_path).find([A])[A]
    assert kept.dtype == np.float32 and kept.tobytes() == given.tobytes()


def test_a_key_may_end_in_zeros(tmp_path: Path) -> None:
    key, zeros = b"\x01" + bytes(15), bytes(16)
    Store(tmp_path).add([key, zeros], vectors([1], [2]))
    assert found(Store(tmp_path), key, zeros) == {key: [1], zeros: [2]}


def test_two_writers_see_what_the_other_wrote(tmp_path: Path) -> None:
    one, two = Store(tmp_path), Store(tmp_path)
    one.add([A], vectors([1]))
    assert found(two, A) == {A: [1]}
    two.add([B], vectors([2]))
    assert found(one, A, B) == {A: [1], B: [2]}


def test_two_writers_may_store_the_same_item(tmp_path: Path) -> None:
    one, two = Store(tmp_path), Store(tmp_path)
    one.add([A], vectors([1]))
    two.add([A, B], vectors([1], [2]))
    assert found(one, A, B) == found(Store(tmp_path), A, B) == {A: [1], B: [2]}


WRITE = """
import sys
from pathlib import Path
import numpy as np
from pytest_mieb.embedding.store import EDITION, Store, folder_of
store, first = Store(Path(sys.argv[1])), int(sys.argv[2])
for number in range(first, first + 20):
    store.add([number.to_bytes(16, "big")], np.array([[number]], np.float32))
"""


def test_processes_write_at_the_same_time(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", WRITE, str(tmp_path), str(first)])
        for first in (0, 10, 20)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    keys = [number.to_bytes(16, "big") for number in range(50)]
    assert found(Store(tmp_path), *keys) == {key: [number] for number, key in enumerate(keys[:40])}


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def scramble(file: Path) -> None:
    file.write_bytes(b"nonsense" * 30)


def remove(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("damage", [cut, empty, scramble, remove])
@pytest.mark.parametrize("kind", ["keys", "vectors"])
def test_a_damaged_shard_is_left_out_and_the_others_are_not(tmp_path: Path, kind: str, damage: object) -> None:
    Store(tmp_path).add([A, B], vectors([1], [2]))
    assert callable(damage)
    damage(shard(tmp_path, kind))
    store = Store(tmp_path)
    assert found(store, A, B) == {}
    store.add([A, C], vectors([1], [3]))
    assert found(store, A, B, C) == {A: [1], C: [3]}


def test_a_shard_of_more_keys_than_vectors_is_left_out(tmp_path: Path) -> None:
    Store(tmp_path).add([A, B], vectors([1], [2]))
    np.save(shard(tmp_path, "vectors"), vectors([1]))
    assert found(Store(tmp_path), A, B) == {}


def test_a_shard_with_pickled_content_is_left_out(tmp_path: Path) -> None:
    Store(tmp_path).add([A], vectors([1]))
    np.save(shard(tmp_path, "vectors"), np.array([object()], dtype=object), allow_pickle=True)
    assert found(Store(tmp_path), A) == {}


def test_a_half_written_shard_is_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    replace, names = os.replace, []

    def only_the_first(source: Path, target: Path) -> None:
        names.append(target.name.split(".", 1)[1])
        if len(names) > 1:
            raise KeyboardInterrupt  # the process dies between the two files
        replace(source, target)

    monkeypatch.setattr(os, "replace", only_the_first)
    with pytest.raises(KeyboardInterrupt):
        Store(tmp_path).add([A], vectors([1]))
    assert names == ["vectors.npy", "keys.npy"]
    assert found(Store(tmp_path), A) == {}
