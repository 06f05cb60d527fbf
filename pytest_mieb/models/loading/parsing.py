"""What the text after `--mieb-model` means."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.loading.kinds import known
from pytest_mieb.models.loading.registry import find
from pytest_mieb.models.spec import ModelSpec, is_hub_id

MINIATURES = ("miniature", "miniature:damaged")
# Before a folder or a hub id: it is to be read by transformers, whatever else lies there.
_TRANSFORMERS = "hf"
_FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def legal() -> str:
    """All that may stand after `--mieb-model`."""
    *others, last = (kind.such_as for kind in known().values())
    return ", ".join([*others, last])


def _is_prefix(text: str) -> bool:
    return text in known() and known()[text].prefixed


def parse_spec(text: str) -> ModelSpec:
    """What `text` means, without loading anything.

    Raises:
        ModelError: it means nothing; the message names near names and what is legal.
    """
    if text in MINIATURES:
        return ModelSpec(text, "miniature")
    path = Path(text).expanduser()
    if path.is_dir():
        return ModelSpec(str(path), "folder", str(path))
    if path.is_file():
        raise ModelError(
            f"--mieb-model={text}: this is a file; give the folder that holds it, or name its architecture: "
            f"open_clip:ARCHITECTURE@{text} or timm:NAME@{text}"
        )
    prefix, colon, target = text.partition(":")
    if colon and (prefix == _TRANSFORMERS or _is_prefix(prefix)):
        return _prefixed(text, prefix, target)
    if _FACTORY.fullmatch(text) and not text.startswith("miniature:"):
        return ModelSpec(text, "factory", text)
    if is_hub_id(text):
        return _on_hub(text)
    beside = [str(path.parent / entry.name) for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(text, [*MINIATURES, *beside], n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ModelError(f"--mieb-model={text}: no such model.{hint} Legal are {legal()}.")


def _on_hub(text: str) -> ModelSpec:
    """A hub id, or the name that the registry has for a model behind an API."""
    row = find(text)
    if row and row.repository is None and _is_prefix(row.family):
        return ModelSpec(text, row.family, row.architecture)
    return ModelSpec(text, "hub", text, has_revisions=True)


def _prefixed(text: str, prefix: str, target: str) -> ModelSpec:
    name, at, file = target.partition("@")
    folder = Path(target).expanduser()
    if not name or (at and not file):
        raise ModelError(f"--mieb-model={text}: something is missing after {text[-1]!r}. Legal are {legal()}.")
    if prefix == _TRANSFORMERS:
        if folder.is_dir():
            return ModelSpec(text, "folder", str(folder))
        if is_hub_id(target):
            return ModelSpec(text, "hub", target, has_revisions=True)
        raise ModelError(f"--mieb-model={text}: no such folder, and no hub id; give hf:FOLDER or hf:ORG/NAME")
    kind = known()[prefix]
    if not kind.weights_apart:
        return ModelSpec(text, prefix, target, has_revisions=kind.has_revisions)
    if not at:
        target = str(folder) if folder.is_dir() else target
        return ModelSpec(text, prefix, target, has_revisions=is_hub_id(target))
    weights = Path(file).expanduser()
    if not weights.is_file():
        near = sorted(weights.parent.glob(f"*{weights.suffix}")) if weights.parent.is_dir() else []
        hint = f"; there are {', '.join(str(each) for each in near[:5])}" if near else ""
        raise ModelError(f"--mieb-model={text}: no such file {file}{hint}")
    return ModelSpec(text, prefix, name, weights)
