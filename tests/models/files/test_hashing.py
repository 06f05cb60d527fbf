"""What of a folder counts as the model, and how often its large files are read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_mieb.models.files import hashing
from pytest_mieb.models.files.hashing import fingerprint, model_files

MODEL = {
    "config.json": "{}",
    "model.safetensors.index.json": "{}",
    "model-00001-of-00002.safetensors": "1",
    "model-00002-of-00002.safetensors": "2",
    "preprocessor_config.json": "{}",
    "tokenizer.json": "{}",
    "tokenizer_config.json": "{}",
    "special_tokens_map.json": "{}",
    "vocab.txt": "a",
    "merges.txt": "b",
    "spiece.model": "c",
    "chat_template.jinja": "d",
}
BESIDE = {
    "README.md": "card",
    "optimizer.pt": "momenta",
    "optimizer.bin": "momenta",
    "scheduler.pt": "rate",
    "scaler.pt": "scale",
    "rng_state_0.pth": "state",
    "random_states_0.pkl": "state",
    "training_args.bin": "arguments",
    "trainer_state.json": "{}",
    "all_results.json": "{}",
    "events.out.tfevents.17": "log",
    "checkpoint-500/config.json": "{}",
    "checkpoint-500/model.safetensors": "sibling",
    "global_step500/zero_pp_rank_0_mp_rank_00_model_states.pt": "shard",
    "runs/exp/log.txt": "log",
}
LARGE = 2 << 20
LONG_AGO = 1_700_000_000


def put(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def names(folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in model_files(folder)]


def test_weights_configurations_and_processors_are_the_model(tmp_path: Path) -> None:
    put(tmp_path, MODEL)
    before = fingerprint([tmp_path], {})
    put(tmp_path, BESIDE)
    assert names(tmp_path) == sorted(MODEL)
    assert fingerprint([tmp_path], {}) == before


@pytest.mark.parametrize("name", MODEL)
def test_each_of_them_counts_by_content_and_name(tmp_path: Path, name: str) -> None:
    put(tmp_path, MODEL)
    before = fingerprint([tmp_path], {})
    content = (tmp_path / name).read_text()
    (tmp_path / name).write_text(f"{content} ")
    changed = fingerprint([tmp_path], {})
    (tmp_path / name).rename(tmp_path / f"x{name}")
    assert len({before, changed, fingerprint([tmp_path], {})}) == 3


def test_where_the_model_lies_does_not_count(tmp_path: Path) -> None:
    one, other = put(tmp_path / "one", MODEL), put(tmp_path / "other", MODEL)
    assert fingerprint([one], {}) == fingerprint([other], {})


def test_the_folders_of_a_chain_of_modules_count(tmp_path: Path) -> None:
    chain = [{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Dense"}]
    put(tmp_path, {"modules.json": json.dumps(chain), "2_Dense/model.safetensors": "w", "3_Old/model.safetensors": "w"})
    put(tmp_path, {"1_Pooling/config.json": "{}", "2_Dense/README.md": "", "2_Dense/inner/config.json": "{}"})
    folders = ["1_Pooling/config.json", "2_Dense/inner/config.json", "2_Dense/model.safetensors"]
    assert names(tmp_path) == [*folders, "modules.json"]


@pytest.mark.parametrize("chain", ["[", "{}", "[1]", '[{"path": "/etc"}, {"path": ".."}]'])
def test_a_chain_that_is_wrong_adds_nothing(tmp_path: Path, chain: str) -> None:
    inside = put(tmp_path / "model", {"modules.json": chain})
    put(tmp_path, {"config.json": "{}"})
    assert names(inside) == ["modules.json"]


def test_code_of_the_model_counts_and_what_it_may_read(tmp_path: Path) -> None:
    put(tmp_path, {"modeling.py": "import x", "parts/tower.py": "", "numbers.json": "{}", "config.json": "{}"})
    assert names(tmp_path) == ["config.json", "modeling.py", "numbers.json", "parts/tower.py"]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    file = put(tmp_path / "model", {"config.json": "{}"}) / "model.safetensors"
    file.write_bytes(os.urandom(LARGE))
    os.utime(file, (LONG_AGO, LONG_AGO))
    return file


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose content was read."""
    noted: list[str] = []
    read = hashing._read_hash

    def noting(file: Path) -> bytes:
        noted.append(file.name)
        return read(file)

    monkeypatch.setattr(hashing, "_read_hash", noting)
    monkeypatch.setattr(hashing, "_SETTLED", -1.0)  # a test cannot set when a file itself changed
    return noted


def replaced_in_place(file: Path) -> None:
    """Same size, same time of its content: what is left is the time of the change itself."""
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, (LONG_AGO, LONG_AGO))


def replaced_by_another(file: Path) -> None:
    other = file.with_name("other")
    shutil.copyfile(file, other)
    replaced_in_place(other)
    os.replace(other, file)


def test_a_large_file_is_read_once(tmp_path: Path, weights: Path, reads: list[str]) -> None:
    first = fingerprint([weights.parent], {}, memory=tmp_path / "hashes")
    assert fingerprint([weights.parent], {}, memory=tmp_path / "hashes") == first
    assert reads.count(weights.name) == 1
    assert fingerprint([weights.parent], {}) == first


@pytest.mark.parametrize("change", [replaced_in_place, replaced_by_another])
def test_a_large_file_that_changed_is_read_again(
    tmp_path: Path, weights: Path, reads: list[str], change: Callable[[Path], None]
) -> None:
    first = fingerprint([weights.parent], {}, memory=tmp_path / "hashes")
    change(weights)
    assert fingerprint([weights.parent], {}, memory=tmp_path / "hashes") != first
    assert reads.count(weights.name) == 2


def test_a_file_that_changed_a_moment_ago_is_not_remembered(tmp_path: Path, weights: Path) -> None:
    """It may change again within the same tick of its clock."""
    fingerprint([weights.parent], {}, memory=tmp_path / "hashes")
    assert not list((tmp_path / "hashes").glob("*"))


@pytest.mark.parametrize("note", [b"", b"{}", b'{"state": [1], "hash": "00"}', b"\xff"])
def test_a_note_that_is_damaged_costs_reading_again(
    tmp_path: Path, weights: Path, reads: list[str], note: bytes
) -> None:
    first = fingerprint([weights.parent], {}, memory=tmp_path / "hashes")
    (kept,) = (tmp_path / "hashes").iterdir()
    kept.write_bytes(note)
    assert fingerprint([weights.parent], {}, memory=tmp_path / "hashes") == first
    assert reads.count(weights.name) == 2


def test_without_a_place_to_remember_it_goes_on(tmp_path: Path, weights: Path, reads: list[str]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert fingerprint([weights.parent], {}, memory=blocked) == fingerprint([weights.parent], {})
