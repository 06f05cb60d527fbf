"""Weights that are none, or more than that: one sentence, and no code is run."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pytest_mieb.models import ModelError, load_embedder
from tests.models.builders import build_clip

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 5\n"
RUN = "was-run"


class Code:
    """Makes a folder where it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._folder / RUN),)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_clip(tmp_path_factory.mktemp("sound") / "model")


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A model without its weights."""
    return shutil.copytree(sound, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))


def halved(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def holds_code(folder: Path, weights: dict[str, Any]) -> None:
    torch.save({**weights, "more": Code(folder)}, folder / "pytorch_model.bin")


def holds_a_module(folder: Path, weights: dict[str, Any]) -> None:
    torch.save(torch.nn.Linear(2, 2), folder / "pytorch_model.bin")


def plain_pickle(folder: Path, weights: dict[str, Any]) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Code(folder), protocol=2))


def cut(folder: Path, weights: dict[str, Any]) -> None:
    torch.save(weights, folder / "pytorch_model.bin")
    halved(folder / "pytorch_model.bin")


def empty(folder: Path, weights: dict[str, Any]) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"")


def web_page(folder: Path, weights: dict[str, Any]) -> None:
    (folder / "pytorch_model.bin").write_text("<html>not found</html>")


def pointer(folder: Path, weights: dict[str, Any]) -> None:
    (folder / "pytorch_model.bin").write_text(POINTER)


def safe_pointer(folder: Path, weights: dict[str, Any]) -> None:
    (folder / "model.safetensors").write_text(POINTER)


def safe_cut(folder: Path, weights: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    halved(folder / "model.safetensors")


def lost_shard(folder: Path, weights: dict[str, Any]) -> None:
    shards = {"weight_map": dict.fromkeys(weights, "model-00001-of-00002.safetensors"), "metadata": {}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(shards))
    from safetensors.torch import save_file

    save_file(weights, folder / "model-00002-of-00002.safetensors")


SPOILT: dict[Callable[[Path, dict[str, Any]], None], str] = {
    holds_code: "{folder}: its weights hold posix.mkdir, which would have to run as code; save nothing but tensors",
    holds_a_module: "{folder}: its weights hold torch.nn.modules.linear.Linear, which would have to run as code;",
    plain_pickle: "{folder}: its weights hold posix.mkdir, which would have to run as code; save nothing but tensors",
    cut: "{folder}: its weights are damaged or cut short (not a whole archive); copy or save them again",
    empty: "{folder}/pytorch_model.bin: its weights are damaged or cut short (the file is empty); copy or save",
    web_page: "{folder}: its weights are damaged or cut short (no file of tensors alone); copy or save them again",
    pointer: "{folder}/pytorch_model.bin: a pointer of git-lfs, not the weights; fetch them with `git lfs pull`",
    safe_pointer: "{folder}/model.safetensors: a pointer of git-lfs, not the weights; fetch them with `git lfs pull`",
    safe_cut: "{folder}: its weights are damaged or cut short (",
    lost_shard: "{folder}: cannot be loaded: No such file or directory: {folder}/model-00001-of-00002.safetensors",
}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_weights_that_cannot_be_used(sound: Path, folder: Path, spoil: Callable[[Path, dict[str, Any]], None]) -> None:
    spoil(folder, load_file(sound / "model.safetensors"))
    with pytest.raises(ModelError) as refusal:
        load_embedder(str(folder))
    said = str(refusal.value)
    assert said.startswith(SPOILT[spoil].format(folder=folder))
    assert "\n" not in said and "weights_only" not in said
    assert not (folder / RUN).exists()


def test_a_whole_one_is_loaded(sound: Path, folder: Path) -> None:
    torch.save(load_file(sound / "model.safetensors"), folder / "pytorch_model.bin")
    assert load_embedder(str(folder)).dimension == load_embedder(str(sound)).dimension
