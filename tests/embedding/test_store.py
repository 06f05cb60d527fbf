"""Embeddings on disk: several processes write, and what is damaged is set aside."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pytest_mieb.embedding.shared import DAMAGED, SHARD
from pytest_mieb.embedding.store import EDITION, Store, folder_of
from tests.embedding.stored import add, find

A, B, C = (bytes([number]) * 16 for number in range(3))


def vectors(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def found(store: Store, *keys: bytes) -> dict[bytes, list[float]]:
    return {key: vector.tolist() for key, vector in find(store, keys).items()}


class Warned(list[str]):
    def __call__(self, sentence: str) -> None:
        self.append(sentence)


def shard(folder: Path) -> Path:
    (file,) = folder.glob(f"*{SHARD}")
    return file


def test_what_was_added_is_found_and_nothing_else(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert found(store, A) == {}
    add(store, [A, B], vectors([1, 2], [3, 4]))
    assert found(store, B, C, A) == {B: [3, 4], A: [1, 2]}


def test_a_folder_is_made_when_there_is_something_to_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "b")
    add(store, [], np.empty((0, 2), np.float32))
    assert store.folder is not None and not store.folder.exists()
    add(store, [A], vectors([1]))
    assert found(store, A) == {A: [1]}


def test_it_is_there_in_the_next_run(tmp_path: Path) -> None:
    add(Store(tmp_path), [A], vectors([1, 2]))
    assert found(Store(tmp_path), A) == {A: [1, 2]}


def test_a_model_has_a_folder_for_each_size_of_batches_and_each_way_of_reading_pictures(tmp_path: Path) -> None:
    assert folder_of(tmp_path, "exp7", 64) == tmp_path / "embeddings" / f"exp7-64-{EDITION}"


@pytest.mark.parametrize("fingerprint", ["/runs/exp7/model.pt", "../../exp7", "..", "step 40000", 300 * "x"])
def test_a_fingerprint_that_is_no_name_of_a_file_stays_in_the_cache(tmp_path: Path, fingerprint: str) -> None:
    folder = folder_of(tmp_path, fingerprint, 64)
    assert folder.resolve().parent == tmp_path / "embeddings" and len(folder.name) < 60
    assert folder != folder_of(tmp_path, f"{fingerprint}0", 64)
    add(Store(folder), [A], vectors([1, 2]))
    assert found(Store(folder_of(tmp_path, fingerprint, 64)), A) == {A: [1, 2]}


def test_vectors_are_kept_to_the_last_bit(tmp_path: Path) -> None:
    given = np.random.default_rng(0).normal(size=(1, 9)).astype(np.float32)
    add(Store(tmp_path), [A], given)
    kept = find(Store(tmp_path), [A])[A]
    assert kept.dtype == np.float32 and kept.tobytes() == given.tobytes()


def test_a_key_may_end_in_zeros(tmp_path: Path) -> None:
    key, zeros = b"\x01" + bytes(15), bytes(16)
    add(Store(tmp_path), [key, zeros], vectors([1], [2]))
    assert found(Store(tmp_path), key, zeros) == {key: [1], zeros: [2]}


def test_two_writers_see_what_the_other_wrote(tmp_path: Path) -> None:
    one, two = Store(tmp_path), Store(tmp_path)
    add(one, [A], vectors([1]))
    assert found(two, A) == {A: [1]}
    add(two, [B], vectors([2]))
    assert found(one, A, B) == {A: [1], B: [2]}


def test_two_writers_may_store_the_same_item(tmp_path: Path) -> None:
    one, two = Store(tmp_path), Store(tmp_path)
    add(one, [A], vectors([1]))
    add(two, [A, B], vectors([1], [2]))
    assert found(one, A, B) == found(Store(tmp_path), A, B) == {A: [1], B: [2]}


WRITE = """
import sys
from pathlib import Path
import numpy as np
from pytest_mieb.embedding.store import EDITION, Store, folder_of
from tests.embedding.stored import add
store, first = Store(Path(sys.argv[1])), int(sys.argv[2])
for number in range(first, first + 20):
    add(store, [number.to_bytes(16, "big")], np.array([[number]], np.float32))
"""


def test_processes_write_at_the_same_time(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", WRITE, str(tmp_path), str(first)])
        for first in (0, 10, 20)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    keys = [number.to_bytes(16, "big") for number in range(50)]
    assert found(Store(tmp_path), *keys) == {key: [number] for number, key in enumerate(keys[:40])}


def test_a_shard_is_a_safetensors_file(tmp_path: Path) -> None:
    add(Store(tmp_path), [A, B], vectors([1, 2], [3, 4]))
    content = load_file(shard(tmp_path))
    assert content["keys"].tobytes() == A + B
    assert content["vectors"].tolist() == [[1, 2], [3, 4]]


def cut(content: bytes) -> bytes:
    return content[:-3]


def empty(content: bytes) -> bytes:
    return b""


def scramble(content: bytes) -> bytes:
    return b"nonsense" * 30


def torn_in_the_header(content: bytes) -> bytes:
    return content[:40]


def endless_header(content: bytes) -> bytes:
    return (1 << 60).to_bytes(8, "little") + content[8:]


def longer(content: bytes) -> bytes:
    return content + bytes(8)


def flipped_key(content: bytes) -> bytes:
    place = content.index(B)
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


def flipped_bit(content: bytes) -> bytes:
    return content[:-2] + bytes([content[-2] ^ 1]) + content[-1:]


def swapped_rows(content: bytes) -> bytes:
    return content[:-16] + content[-8:] + content[-16:-8]


def other_shape(content: bytes) -> bytes:
    return content.replace(b"[2, 2]", b"[4, 1]")


def negative_shape(content: bytes) -> bytes:
    return content.replace(b"[2, 2]", b"[-2,2]")


def other_type(content: bytes) -> bytes:
    return content.replace(b"F32", b"I32")


DAMAGES = [
    cut,
    empty,
    scramble,
    torn_in_the_header,
    endless_header,
    longer,
    flipped_key,
    flipped_bit,
    swapped_rows,
    other_shape,
    negative_shape,
    other_type,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_is_set_aside_and_the_others_are_not(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    add(Store(tmp_path), [A, B], vectors([1, 2], [3, 4]))
    damaged = shard(tmp_path)
    damaged.write_bytes(damage(damaged.read_bytes()))
    warned = Warned()
    store = Store(tmp_path, warned)
    assert found(store, A, B) == {}
    (sentence,) = warned
    assert f"{damaged}{DAMAGED}" in sentence and "embedded again" in sentence
    assert [file.name for file in tmp_path.iterdir()] == [f"{damaged.name}{DAMAGED}"]
    add(store, [A, C], vectors([1, 1], [3, 3]))
    assert found(store, A, B, C) == found(Store(tmp_path, warned), A, B, C) == {A: [1, 1], C: [3, 3]}
    assert len(warned) == 1


def test_vectors_of_another_length_than_the_models_are_set_aside(tmp_path: Path) -> None:
    add(Store(tmp_path), [A], vectors([1, 2, 3]))
    warned = Warned()
    assert found(Store(tmp_path, warned, dimension=2), A) == {}
    assert "its vectors have 3 dimensions, and the model's 2" in warned[0]
    assert found(Store(tmp_path / "new", warned, dimension=2), A) == {}


def test_what_another_shard_holds_of_a_damaged_ones_items_is_found_in_the_next_run(tmp_path: Path) -> None:
    add(Store(tmp_path), [A, B], vectors([1, 2], [3, 4]))
    damaged = shard(tmp_path)
    add(Store(tmp_path), [A], vectors([1, 2]))
    damaged.write_bytes(flipped_bit(damaged.read_bytes()))
    found(Store(tmp_path, Warned()), A, B)
    assert found(Store(tmp_path), A, B) == {A: [1, 2]}


def test_a_shard_that_vanished_meanwhile_is_as_if_it_had_not_been(tmp_path: Path) -> None:
    store, warned = Store(tmp_path, Warned()), Warned()
    add(store, [A], vectors([1]))
    assert found(store, A) == {A: [1]}
    shutil.rmtree(tmp_path)
    assert found(store, A) == {A: [1]}  # mapped before
    assert found(Store(tmp_path, warned), A) == {}
    add(store, [B], vectors([2]))
    assert found(store, A, B) == {A: [1], B: [2]}
    assert warned == []


def test_a_disk_that_is_full_is_told_once_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    warned = Warned()
    store = Store(tmp_path, warned)
    monkeypatch.setattr(os, "replace", full)
    add(store, [A], vectors([1]))
    add(store.part("told"), [B], vectors([2]))
    add(store, [B], vectors([2]))
    (sentence,) = warned
    assert f"{tmp_path} (No space left on device): the run goes on" in sentence and "--mieb-cache" in sentence
    assert list(tmp_path.iterdir()) == []
    assert found(store, A, B) == {A: [1], B: [2]}  # as long as this process lives
    assert found(Store(tmp_path), A, B) == {}


def test_a_half_written_shard_is_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        add(Store(tmp_path), [A], vectors([1]))
    assert found(Store(tmp_path), A) == {}


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    code = WRITE.replace("add(store, ", "import os; os.replace = lambda *paths: os._exit(9); add(store, ", 1)
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(tmp_path), "0"], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    Store(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_thousands_of_shards_keep_no_file_open(tmp_path: Path) -> None:
    count = 1500
    store = Store(tmp_path)
    for number in range(count):
        add(store, [number.to_bytes(16, "big")], vectors([number]))
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    assert len(found(Store(tmp_path), *(number.to_bytes(16, "big") for number in range(count)))) == count
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before
