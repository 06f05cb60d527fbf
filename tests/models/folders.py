"""Copies of model folders with something changed in them, and what refuses to load them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pytest_mieb.models import ModelError, load_embedder

Content = dict[str, Any]
Change = Callable[[Content], object]
"""Changes a state dictionary, or what a JSON file holds, in place."""


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def change_weights(folder: Path, change: Change, name: str = "model.safetensors") -> None:
    weights = load_file(folder / name)
    change(weights)
    save_file(weights, folder / name, metadata={"format": "pt"})


def change_json(file: Path, change: Change) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def with_weights(folder: Path, to: Path, change: Change) -> Path:
    """A copy with other weights."""
    copy = copied(folder, to)
    change_weights(copy, change)
    return copy


def without(*prefixes: str) -> Change:
    """Takes out the keys that start so; there must be some."""

    def take_out(content: Content) -> None:
        gone = [name for name in content if name.startswith(prefixes)]
        assert gone, f"none of {sorted(content)} starts with {prefixes}"
        for name in gone:
            del content[name]

    return take_out


def plus(name: str, *shape: int) -> Change:
    """Puts in a tensor, or another one in its place."""
    return lambda content: content.update({name: torch.zeros(shape or (2,))})


def code_of(repository: str) -> Change:
    """Names the code of another repository, as transformers does on saving what was loaded from there."""
    return lambda config: config.update(
        auto_map={name: f"{repository}--{place}" for name, place in config["auto_map"].items()}
    )


def refusal(spec: str | Path, **request: Any) -> str:
    """The one sentence by which a model is refused."""
    with pytest.raises(ModelError) as refused:
        load_embedder(str(spec), **request)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def check_keys(folder: Path, scratch: Path, key: str, known_as: str = "", **request: Any) -> None:
    """Weights that lack `key`, that hold more, or that hold it in another shape fail the load.

    Args:
        known_as: what the loaded model calls the key, where it is not its name in the file.
    """
    cases = {"missing": (without(key), known_as or key), "unexpected": (plus("more.weight"), "more.weight")}
    cases["mismatched"] = (plus(key, 3, 1, 2), known_as or key)
    for kind, (change, named) in cases.items():
        said = refusal(with_weights(folder, scratch / kind, change), **request)
        assert f"1 {kind} keys ({named}" in said
