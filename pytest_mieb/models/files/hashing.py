"""Which files of a folder make up a model, and the hash of their content, taken once for every change of a file."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatch
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pytest_mieb.support.atomic import written

# What models, processors and tokenizers are read from; whatever else training leaves in a folder may come and go.
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
_SETTINGS = (
    "*config*.json",
    "*tokenizer*.json",
    "*vocab*",
    "*merges*",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "modules.json",
    "*.index.json",
    "*.model",
    "*.tiktoken",
    "*.jinja",
    "*.py",
)
_STATES = ("optimizer*", "scheduler*", "scaler*", "rng_state*", "random_states*", "training_args*")
_CHAIN = "modules.json"  # of sentence-transformers: it names folders that belong to the model
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Smaller files are read faster than what is remembered of them; a file that changed so lately may change again within
# the same tick of its clock.
_REMEMBERED, _SETTLED = 1 << 20, 2.0


def fingerprint(
    paths: Iterable[Path | None],
    resolved: Mapping[str, Any],
    *,
    memory: Path | None = None,
    inside: Callable[[Path], Iterable[Path]] | None = None,
) -> str:
    """Hash of the content of files and of the models in folders, and of what was resolved beside them.

    Names of files inside a folder count, where the folder lies does not.

    Args:
        memory: a folder where the hashes of large files are kept, with what tells that they did not change.
        inside: which files of a folder count; by default `model_files`.
    """
    digest = blake2b(digest_size=16)
    for path in dict.fromkeys(path for path in paths if path):
        for file in sorted((inside or model_files)(path)) if path.is_dir() else [path]:
            name = file.relative_to(path).as_posix() if path.is_dir() else file.suffix
            digest.update(name.encode())
            digest.update(_content_hash(file, memory))
    digest.update(json.dumps(resolved, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def model_files(folder: Path) -> list[Path]:
    """Weights, configurations, processors and code in `folder`, and all of the folders that a chain of modules names.

    Where the model comes with code of its own, that may read any `.json` beside it and import from folders.
    """
    there = [file for file in folder.iterdir() if file.is_file()]
    with_code = any(file.suffix == ".py" for file in there)
    found = {file for file in there if _belongs(file.name) or (with_code and file.suffix == ".json")}
    if with_code:
        found.update(file for file in folder.rglob("*.py") if file.is_file())
    for inside in _modules(folder):
        found.update(file for file in inside.rglob("*") if file.is_file() and _belongs(file.name))
    return sorted(found)


def _belongs(name: str) -> bool:
    if any(fnmatch(name, pattern) for pattern in _STATES):
        return False
    return name.endswith(WEIGHTS) or any(fnmatch(name, pattern) for pattern in _SETTINGS)


def _modules(folder: Path) -> list[Path]:
    """The folders below `folder` that its chain of modules names; a damaged chain is for whoever loads it to tell."""
    try:
        entries = json.loads((folder / _CHAIN).read_text(encoding="utf-8"))
        places = [folder / entry["path"] for entry in entries if entry["path"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [place for place in places if place.is_dir() and folder.resolve() in place.resolve().parents]


def _content_hash(file: Path, memory: Path | None) -> bytes:
    """Of the hub's cache the name of a large file's blob is its SHA-256: gigabytes need not be read again."""
    blob = file.resolve()
    if blob.parent.name == "blobs" and _SHA256.fullmatch(blob.name):
        return bytes.fromhex(blob.name)
    before = _state(blob)
    note = memory / f"{blake2b(os.fsencode(blob), digest_size=16).hexdigest()}.json" if memory else None
    if note is None or before[0] < _REMEMBERED:
        return _read_hash(blob)
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(note.read_text(encoding="utf-8"))
        if content["state"] == before:
            return bytes.fromhex(content["hash"])
    digest = _read_hash(blob)
    settled = time.time() - max(before[1], before[2]) / 1e9 > _SETTLED
    if settled and _state(blob) == before:
        with suppress(OSError):  # a disk that is full costs reading again
            note.parent.mkdir(parents=True, exist_ok=True)
            with written(note) as temporary:
                temporary.write_text(json.dumps({"state": before, "hash": digest.hex()}), encoding="utf-8")
    return digest


def _state(file: Path) -> list[int]:
    """Size, times of change of content and of the file itself, and its number: one of them differs after any change."""
    status = file.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]


def _read_hash(file: Path) -> bytes:
    digest = blake2b(digest_size=32)
    with open(file, "rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return digest.digest()
