"""Embeddings shared in a bucket or a folder on a network: whole or not there, whoever dies, and asked for sparingly."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import numpy as np
import pytest

from pytest_mieb.embedding import Store, generation
from pytest_mieb.embedding import shared as module
from pytest_mieb.embedding.generations import WITNESS
from pytest_mieb.embedding.shared import DAMAGED, SHARD, Patience, Shared, SharedError
from pytest_mieb.models.probing import Probes
from pytest_mieb.support import retrying
from tests.embedding.places import AT_ONCE, WatchedFileSystem, opened, registered
from tests.embedding.stored import add, find
from tests.embedding.test_store import DAMAGES

A, B, C = (bytes([number]) * 16 for number in range(3))


class Warned(list[str]):
    def __call__(self, sentence: str) -> None:
        self.append(sentence)


@pytest.fixture(autouse=True)
def _kinds() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_WAIT", 0.01)


@pytest.fixture(params=["file", "plain", "memory", "watched", "bucket"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    place = tmp_path / "team"
    kind: str = request.param
    return {"plain": str(place), "memory": f"memory://{uuid4().hex}/mieb"}.get(kind, f"{kind}://{place}")


def vectors(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def found(store: Store, *keys: bytes) -> dict[bytes, list[float]]:
    return {key: vector.tolist() for key, vector in find(store, keys).items()}


def machine(folder: Path, url: str, warn: Callable[[str], None] = print, patience: Patience = AT_ONCE) -> Store:
    """A store of a machine of its own, that shares the model's folder."""
    return Store(folder / "model", warn, shared=opened(url, warn, patience).part("embeddings", "model"))


def close(store: Store) -> None:
    assert store._shared
    store._shared.close()


def watched(store: Store) -> WatchedFileSystem:
    assert store._shared and isinstance(store._shared.fs, WatchedFileSystem)
    return store._shared.fs


def names(url: str) -> list[str]:
    """All files of the place."""
    fs, path = fsspec.core.url_to_fs(url)
    return sorted(each.rpartition("/")[2] for each in fs.find(path))


def test_what_one_machine_stored_the_other_finds(url: str, tmp_path: Path) -> None:
    one, two = machine(tmp_path / "one", url), machine(tmp_path / "two", url)
    add(one, [A, B], vectors([1, 2], [3, 4]))
    add(one.part("queries"), [A], vectors([5, 6]))
    close(one)
    assert found(two, B, C, A) == {B: [3, 4], A: [1, 2]}
    assert found(two.part("queries"), A, B) == {A: [5, 6]}
    add(two, [C], vectors([7, 8]))
    close(two)
    assert found(one, A, B, C) == {A: [1, 2], B: [3, 4], C: [7, 8]}
    assert len(names(url)) == 3 and all(name.endswith(SHARD) and name[0] != "." for name in names(url))


def test_what_was_fetched_is_there_without_the_shared_place(url: str, tmp_path: Path) -> None:
    one, two = machine(tmp_path / "one", url), machine(tmp_path / "two", url)
    add(one, [A], vectors([1]))
    add(one, [B], vectors([2]))
    close(one)
    assert found(two, A) == {A: [1]}
    assert found(Store(tmp_path / "two" / "model"), A, B) == {A: [1]}


def test_what_is_stored_before_a_fresh_run_is_not_used_by_it(url: str, tmp_path: Path) -> None:
    one = machine(tmp_path / "one", url)
    add(one, [A], vectors([1]))
    close(one)
    fresh = Store(tmp_path / "two", fresh=True, shared=opened(url).part("embeddings", "model"))
    assert found(fresh, A) == {}
    add(fresh, [A], vectors([2]))
    assert found(fresh, A) == {A: [2]}


@pytest.mark.parametrize("kind", ["watched", "bucket"])
def test_keys_are_read_at_once_and_vectors_when_one_is_asked_for(kind: str, tmp_path: Path) -> None:
    url, count, length = f"{kind}://{tmp_path}/team", 5000, 64
    one = machine(tmp_path / "one", url)
    many = [number.to_bytes(16, "big") for number in range(1, count + 1)]
    given = np.random.default_rng(0).normal(size=(count, length)).astype(np.float32)
    for start in (0, 2500):
        add(one, many[start : start + 2500], given[start : start + 2500])
    add(one, [A, B], vectors([0.0] * length, [1.0] * length))
    close(one)
    sent = 3 if kind == "bucket" else 7  # in a folder each is put and renamed, and the first finds that it is not there
    assert watched(one).count("put_file", "mv") == sent

    two = machine(tmp_path / "two", url, patience=Patience())
    asked = watched(two)
    asked.asked.clear()
    assert found(two, C) == {}
    assert (asked.count("ls"), asked.count("cat_file"), asked.count("get_file")) == (1, 3, 0)
    assert asked.n_bytes <= 3 * module._HEAD < given.nbytes / 4
    assert not list((tmp_path / "two").rglob(f"*{SHARD}"))
    assert np.array_equal(find(two, many[:3])[many[1]], given[1])
    assert found(two, *many[:9]).keys() == set(many[:9])
    assert (asked.count("ls"), asked.count("cat_file"), asked.count("get_file")) == (1, 3, 1)


def test_of_a_long_shard_the_keys_are_read_to_their_end(tmp_path: Path) -> None:
    url, count = f"watched://{tmp_path}/team", 9000
    one, two = machine(tmp_path / "one", url), machine(tmp_path / "two", url)
    many = [number.to_bytes(16, "big") for number in range(count)]
    add(one, many, np.ones((count, 2), np.float32))
    close(one)
    assert len(found(two, *many)) == count
    assert watched(two).count("cat_file") == 2
    assert watched(two).n_bytes < 17 * count


def test_it_is_listed_no_more_than_once_a_while(tmp_path: Path) -> None:
    url = f"watched://{tmp_path}/team"
    one, two = machine(tmp_path / "one", url), machine(tmp_path / "two", url, patience=Patience(between_lists=0.3))
    assert found(two, A) == {}
    add(one, [A], vectors([1]))
    close(one)
    before = watched(two).count("ls")
    assert found(two, A) == found(two, A) == {}
    assert watched(two).count("ls") == before
    time.sleep(0.3)
    assert found(two, A) == {A: [1]}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_is_set_aside_there_and_its_items_are_embedded_again(
    damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    url, warned = f"file://{tmp_path}/team", Warned()
    one = machine(tmp_path / "one", url)
    add(one, [A, B], vectors([1, 2], [3, 4]))
    close(one)
    (shard,) = (tmp_path / "team").rglob(f"*{SHARD}")
    shard.write_bytes(damage(shard.read_bytes()))
    two = machine(tmp_path / "two", url, warned)
    assert found(two, A, B) == {}
    (sentence,) = warned
    assert f"{shard}{DAMAGED}" in sentence and "embedded again" in sentence
    assert names(url) == [f"{shard.name}{DAMAGED}"]
    add(two, [A, B], vectors([1, 2], [3, 4]))
    close(two)
    assert found(machine(tmp_path / "three", url, warned), A, B) == {A: [1, 2], B: [3, 4]}
    assert len(warned) == 1


def test_a_shard_that_is_damaged_here_is_not_passed_on(tmp_path: Path) -> None:
    url, place = f"file://{tmp_path}/team", tmp_path / "one" / "model"
    add(Store(place), [A], vectors([1, 2]))
    (shard,) = place.iterdir()
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    shared = opened(url).part("embeddings", "model")
    shared.catch_up(place, [shard])
    shared.close()
    assert names(url) == []


def test_where_renaming_is_not_allowed_a_damaged_shard_still_serves_nobody(tmp_path: Path) -> None:
    url, warned = f"bucket://{tmp_path}/team", Warned()
    one, two = machine(tmp_path / "one", url), machine(tmp_path / "two", url, warned)
    add(one, [A], vectors([1, 2]))
    close(one)
    (shard,) = (tmp_path / "team").rglob(f"*{SHARD}")
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    watched(two).fails["mv"] = PermissionError("no")
    assert found(two, A) == found(two, A) == {}
    assert len(warned) == 1 and shard.exists()


def test_what_an_earlier_run_could_not_send_the_next_one_sends(url: str, tmp_path: Path) -> None:
    place = tmp_path / "one" / "model"
    store = Store(place)
    add(store, [A], vectors([1]))
    add(store.part("queries"), [B], vectors([2]))
    files = sorted(place.rglob(f"*{SHARD}"))
    for _ in range(2):
        shared = opened(url).part("embeddings", "model")
        shared.catch_up(place, files)
        shared.close()
        assert len(names(url)) == 2
    two = machine(tmp_path / "two", url)
    assert (found(two, A), found(two.part("queries"), B)) == ({A: [1]}, {B: [2]})


def test_what_was_killed_while_it_was_sent_is_swept_after_a_day(tmp_path: Path) -> None:
    place = tmp_path / "team" / "embeddings" / "model"
    place.mkdir(parents=True)
    old, new = (f".a{SHARD}.{int(time.time() - age)}-{'0' * 16}.tmp" for age in (90_000, 80_000))
    for name in (old, new):
        (place / name).write_bytes(b"half")
    shared = opened(f"file://{tmp_path}/team").part("embeddings", "model")
    assert found(Store(tmp_path / "one", shared=shared), A) == {}
    shared.catch_up(tmp_path / "one", [])
    shared.close()
    assert [file.name for file in place.iterdir()] == [new]


def test_a_generation_is_found_in_the_shared_place(url: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images, texts = (rng.normal(size=(4, 8)).astype(np.float32) for _ in range(2))
    warned, shared = Warned(), opened(url).part("embeddings", "model")
    first = generation(tmp_path / "one", Probes(images, texts), warned, shared=shared)
    own = shared.part(first.name)
    own.catch_up(first, [first / WITNESS])
    own.close()
    near = Probes(images * np.float32(1 + 1e-6), texts)
    assert generation(tmp_path / "two", near, warned, shared=shared) == tmp_path / "two" / first.name
    assert generation(tmp_path / "three", Probes(2 * images, texts), warned, shared=shared).name != first.name
    assert len(warned) == 1 and "stored under" in warned[0]


@pytest.mark.parametrize("fails", ["ls", "cat_file", "get_file"])
def test_where_it_cannot_be_read_that_is_told_once_and_the_run_goes_on(fails: str, tmp_path: Path) -> None:
    url, warned = f"watched://{tmp_path}/team", Warned()
    one, two = machine(tmp_path / "one", url), machine(tmp_path / "two", url, warned)
    add(one, [A], vectors([1]))
    close(one)
    watched(two).fails[fails] = OSError("connection lost")
    assert found(two, A) == found(two, A) == {}
    assert watched(two).count(fails) >= 3
    (sentence,) = warned
    assert f"cannot be read from {url}/embeddings/model (connection lost): the run goes on" in sentence
    add(two, [B], vectors([2]))
    assert found(two, A, B) == {B: [2]}
    watched(two).fails.clear()
    assert found(two, A, B) == {A: [1], B: [2]}
    assert len(warned) == 1


@pytest.mark.parametrize("cut", ["cat_file", "get_file"])
def test_what_breaks_off_is_not_damaged_but_asked_for_again(cut: str, tmp_path: Path) -> None:
    url, warned = f"watched://{tmp_path}/team", Warned()
    one, two = machine(tmp_path / "one", url), machine(tmp_path / "two", url, warned)
    add(one, [A], vectors([1]))
    close(one)
    watched(two).cuts.add(cut)
    assert found(two, A) == {A: [1]}
    assert (watched(two).count(cut), warned) == (2, [])


def test_a_place_that_fails_is_let_alone_for_a_while(tmp_path: Path) -> None:
    store = machine(tmp_path / "one", f"watched://{tmp_path}/team", Warned(), Patience(between_lists=0, tries=1))
    watched(store).fails["ls"] = OSError("connection lost")
    before = watched(store).count("ls")
    for _ in range(9):
        assert found(store, A) == {}
    assert watched(store).count("ls") == before + 1


def test_what_cannot_be_sent_is_tried_again_and_told_at_the_end(tmp_path: Path) -> None:
    url, warned = f"watched://{tmp_path}/team", Warned()
    store = machine(tmp_path / "one", url, warned)
    watched(store).fails["put_file"] = PermissionError("read only")
    add(store, [A], vectors([1]))
    add(store, [B], vectors([2]))
    assert found(store, A, B) == {A: [1], B: [2]}
    time.sleep(0.1)
    assert watched(store).count("put_file") > 2 and warned == []
    close(store)
    (sentence,) = warned
    assert sentence.startswith(f"2 files of embeddings could not be sent to {url}/embeddings/model (read only): ")

    again = machine(tmp_path / "one", url, warned)
    assert again._shared and again.folder
    again._shared.catch_up(again.folder, sorted(again.folder.iterdir()))
    watched(again).fails["put_file"] = OSError("a moment, please")
    time.sleep(0.05)
    watched(again).fails.clear()
    close(again)
    assert len(names(url)) == 2 and len(warned) == 1


def test_the_end_of_a_run_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warned = Warned()
    store = machine(tmp_path / "one", f"file://{tmp_path}/team", warned, Patience(at_end=0.1))
    assert store._shared
    monkeypatch.setattr(store._shared, "_put", lambda *_: time.sleep(1))
    add(store, [A], vectors([1]))
    started = time.monotonic()
    close(store)
    assert time.monotonic() - started < 0.9
    assert len(warned) == 1 and "1 file of embeddings could not be sent" in warned[0]
    assert "it takes longer than 0 seconds" in warned[0]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nowhere://team", "nowhere://team: Protocol not known: nowhere; give a folder, or a URL that fsspec opens"),
        ("{folder}/missing/team", "missing/team: "),
        ("{folder}/file", "file: it cannot be reached (it is a file); correct the URL"),
        ("sftp://me:secret@host/team", "sftp://host/team: "),
    ],
)
def test_a_place_that_cannot_be_used_is_one_sentence(url: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SharedError) as refused:
        Shared.opened(url.format(folder=tmp_path)).reach()
    assert sentence in str(refused.value) and "secret" not in str(refused.value)
    assert not (tmp_path / "missing").exists()


def test_a_package_that_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(SharedError, match=r"^s3://team/mieb: Install s3fs to access S3 \(pip install s3fs\)$"):
        Shared.opened("s3://team/mieb")


def test_nothing_of_it_is_imported_without_a_url() -> None:
    code = "import sys, pytest_mieb.embedding.store; sys.exit('fsspec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


WRITE = """
import sys, time
from pathlib import Path
import numpy as np
from pytest_mieb.embedding.store import Store
from tests.embedding.places import opened
from tests.embedding.stored import add
folder, url, first, count, patient = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
shared = opened(url).part("embeddings", "model")
store = Store(folder, shared=shared)
shared.catch_up(folder, sorted(folder.glob("*.safetensors")) if folder.is_dir() else [])
for number in range(first, first + count):
    add(store, [number.to_bytes(16, "big")], np.full((1, 5000), number, np.float32))
    print(number, flush=True)
if patient:
    shared.close()
"""


def writer(folder: Path, url: str, first: int, count: int, *, patient: bool = True) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", "-c", WRITE, str(folder), url, str(first), str(count), str(int(patient))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def numbers(store: Store, count: int) -> dict[int, float]:
    """Of the keys that are found, what their vectors are full of."""
    keys = {number.to_bytes(16, "big"): number for number in range(count)}
    there = find(store, keys)
    assert all(len(set(vector.tolist())) == 1 and len(vector) == 5000 for vector in there.values())
    return {keys[key]: float(vector[0]) for key, vector in there.items()}


def test_two_machines_write_at_the_same_time_and_a_third_reads(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/team"
    writers = [writer(tmp_path / str(first), url, first, 20) for first in (0, 10)]
    reader = machine(tmp_path / "reader", url)
    seen: dict[int, float] = {}
    while any(each.poll() is None for each in writers):
        seen |= numbers(reader, 40)
    for each in writers:
        each.communicate()
    assert [each.returncode for each in writers] == [0, 0]
    assert seen.items() <= {number: number for number in range(30)}.items()
    for name in ("0", "10", "reader", "another"):
        store = Store(tmp_path / name, shared=opened(url).part("embeddings", "model"))
        assert numbers(store, 40) == {number: number for number in range(30)}


def test_killed_at_any_moment_nothing_is_lost_and_nothing_wrong_is_served(tmp_path: Path) -> None:
    url, home, said = f"file://{tmp_path}/team", tmp_path / "home", set[int]()
    chance, warned, first = random.Random(7), Warned(), 0
    for turn in range(6):
        process = writer(home, url, first, 100_000, patient=False)
        assert process.stdout
        process.stdout.readline()  # it is at work
        time.sleep(chance.uniform(0, 0.15))
        os.kill(process.pid, signal.SIGKILL)
        rest, _ = process.communicate()
        said |= {first, *map(int, (line for line in rest.splitlines(keepends=True) if line.endswith("\n")))}
        first = max(said) + 1
        shared = opened(url, warned).part("embeddings", "model")
        here = numbers(Store(home, warned, shared=shared), first + 1)
        assert said <= here.keys() and all(number == value for number, value in here.items())
        elsewhere = Store(tmp_path / f"other-{turn}", warned, shared=shared)
        assert numbers(elsewhere, first + 1).items() <= here.items()
    assert warned == []
    shared.catch_up(home, sorted(home.glob(f"*{SHARD}")))
    shared.close()
    assert numbers(Store(tmp_path / "last", warned, shared=shared), first + 1).keys() >= said
    assert warned == []
