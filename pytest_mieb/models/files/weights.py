"""Weights in one file, as libraries without a `from_pretrained` of their own save them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.files.hub import download
from pytest_mieb.models.files.refusing import as_model_errors, check_files, check_keys

SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")
# Under which key a training checkpoint holds its weights; averaged ones first, as those are what is evaluated.
_AVERAGED = ("state_dict_ema", "model_ema")
_PLAIN = ("state_dict", "model")
_WRAPPERS = re.compile(r"^(?:(?:module|_orig_mod)\.)+")


def weights_in(folder: Path, preferred: Sequence[str]) -> Path:
    """The file of weights in a folder: the first of `preferred` that is there, else the only one there is.

    Raises:
        ModelError: there is none, or several and none of them preferred.
    """
    for name in preferred:
        if (folder / name).is_file():
            return folder / name
    found = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)
    if not found:
        raise ModelError(f"{folder}: no weights; it should hold {preferred[0]}")
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise ModelError(f"{folder}: ambiguous weights: {names}; rename the right one to {preferred[0]}")
    return found[0]


def fetch(repository: str, revision: str | None, names: Sequence[str], *, beside: Sequence[str] = ()) -> Path:
    """The first of the files `names` that a repository on the hub holds, and with it those that match `beside`.

    Raises:
        ModelError: it holds none of them, or the hub was not reached.
    """
    for name in names:
        folder = download(repository, revision, only=(name, *beside))
        if (folder / name).is_file():
            return folder / name
    raise ModelError(f"--mieb-model={repository}: it holds no {' and no '.join(names)} (offline: its cache does not)")


def safe_names(name: str) -> tuple[str, ...]:
    """What the weights of a repository may be called: as safetensors first, then as given."""
    known = {"pytorch_model.bin": "model", "open_clip_pytorch_model.bin": "open_clip_model"}
    stem = known.get(name, name.rpartition(".")[0])
    return tuple(dict.fromkeys((f"{stem}.safetensors", name)))


def read_weights(file: Path) -> tuple[dict[str, Any], str | None]:
    """The tensors of a safetensors file, a saved state dict or a training checkpoint, and where inside it they lay.

    The prefixes that distributed training and torch.compile put before names are taken off, in any order. Nothing but
    tensors and plain values is unpickled.

    Raises:
        ModelError: it is damaged, holds something else, or would have to run code.
    """
    import torch

    check_files([file])
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        with as_model_errors(file):
            content: Any = load_file(file)
    else:
        content = _unpickled(file)
    keys = [key for key in (*_AVERAGED, *_PLAIN) if isinstance(content, dict) and isinstance(content.get(key), dict)]
    weights = content[keys[0]] if keys else content
    if not isinstance(weights, dict) or not weights:
        raise ModelError(f"{file}: holds no weights, but {type(weights).__name__}; save a state dict")
    strange = [str(name) for name, value in weights.items() if not isinstance(value, torch.Tensor)]
    if strange:
        raise ModelError(f"{file}: holds no state dict: {', '.join(strange[:5])} are no tensors")
    return {_WRAPPERS.sub("", name): value for name, value in weights.items()}, keys[0] if keys else None


def averaged(file: Path, key: str | None) -> tuple[str, ...]:
    """The warning that a checkpoint's averaged weights were taken, where it holds any."""
    return (f"{file.name}: the averaged weights ({key}) are taken, not the last ones",) if key in _AVERAGED else ()


def load_into(
    model: Any,
    weights: Mapping[str, Any],
    file: Path,
    *,
    into: str,
    may_lack: Collection[str] = (),
    called: Sequence[tuple[str, str]] = (),
) -> None:
    """Load weights into a module.

    Args:
        into: what the module was made from, for errors.
        may_lack: names that may be missing.
        called: what the file calls otherwise than the module: patterns, and what stands in the file in their place.

    Raises:
        ModelError: any other is missing, or one is not the module's or has another shape.
    """
    own = model.state_dict()
    names = {_called(name, called): name for name in own}
    wrong = [name for name, value in weights.items() if name in names and own[names[name]].shape != value.shape]
    check_keys(file, mismatched=wrong, what=into)
    foreign = [name for name in weights if name in own and name not in names]
    with as_model_errors(file):
        given = {names.get(name, name): value for name, value in weights.items() if name not in foreign}
        result = model.load_state_dict(given, strict=False)
    # How many batches a normalisation has seen does not matter in evaluation; older checkpoints do not say it.
    missing = [key for key in result.missing_keys if key not in may_lack and not key.endswith("num_batches_tracked")]
    missing = [_called(key, called) for key in missing]
    check_keys(file, missing=missing, unexpected=[*foreign, *result.unexpected_keys], what=into)


def _called(name: str, called: Sequence[tuple[str, str]]) -> str:
    for pattern, replacement in called:
        name = re.sub(pattern, replacement, name)
    return name


def _unpickled(file: Path) -> Any:
    import torch

    if _is_script(file):
        raise ModelError(
            f"{file}: a TorchScript archive, which would run code, as OpenAI's own files are; save its state dict: "
            f"torch.save(torch.jit.load({file.name!r}).state_dict(), FILE)"
        )
    with as_model_errors(file), torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(file, map_location="cpu", weights_only=True)


def _is_script(file: Path) -> bool:
    try:
        with ZipFile(file) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (BadZipFile, OSError):
        return False  # an older format, or damaged: whoever loads it says so
