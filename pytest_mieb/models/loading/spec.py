"""The text after `--mieb-model`: which model it means."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_mieb.models.errors import ModelError

MINIATURES = ("miniature", "miniature:damaged")
LEGAL = (
    "a folder with a model, a hub id such as openai/clip-vit-base-patch32, open_clip:ARCHITECTURE@FILE, "
    "open_clip:ARCHITECTURE/TAG, timm:NAME, timm:NAME@FILE, mteb:NAME, voyage:NAME, package.module:factory, miniature, "
    "or miniature:damaged"
)
PREFIXES = ("open_clip", "timm", "hf", "mteb", "voyage")
_FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")

Kind = Literal["miniature", "folder", "factory", "hub", "open_clip", "timm", "mteb", "voyage"]


def file_name(text: str) -> str:
    """The name of a model, fit for that of a file."""
    return re.sub(r"[^\w.-]+", "__", text)


@dataclass(frozen=True)
class ModelSpec:
    """A model that can be named: what kind it is, and the name its results and its baseline go by.

    For open_clip and timm: `target` is an architecture (open_clip: with its tag after a slash), a folder or a hub id,
    and `file` bare weights. For the others `target` is what follows the prefix, or all of `text`.
    """

    text: str
    kind: Kind
    target: str = ""
    file: Path | None = None

    @property
    def name(self) -> str:
        """For a folder its own name, for weights that of their file; for the rest the text, fit for a file name."""
        text = self.text
        if self.kind == "folder":
            text = Path(self.target or self.text).resolve().name
        elif self.file:
            text = f"{self.target}@{self.file.name}"
        return file_name(text)

    @property
    def baseline(self) -> str:
        """The baseline it is compared with by default: its own name; for the damaged miniature, the sound one."""
        return "miniature" if self.kind == "miniature" else self.name

    @property
    def has_revisions(self) -> bool:
        """Whether it is a repository of the hub, so that `--mieb-revision` means something."""
        return self.kind == "hub" or (self.kind in ("open_clip", "timm") and is_hub_id(self.target) and not self.file)


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
    if colon and prefix in PREFIXES:
        return _prefixed(text, prefix, target)
    if _FACTORY.fullmatch(text) and not text.startswith("miniature:"):
        return ModelSpec(text, "factory", text)
    if is_hub_id(text):
        return _on_hub(text)
    beside = [str(path.parent / entry.name) for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(text, [*MINIATURES, *beside], n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ModelError(f"--mieb-model={text}: no such model.{hint} Legal are {LEGAL}.")


def is_hub_id(text: str) -> bool:
    """Whether the text looks like `org/name`, and not like a path in a folder that is there."""
    return bool(_HUB_ID.fullmatch(text)) and not text.startswith((".", "~")) and not Path(text).parent.is_dir()


def _on_hub(text: str) -> ModelSpec:
    """A hub id, or the name that the registry has for a model behind an API."""
    from pytest_mieb.models.loading.registry import find

    known = find(text)
    if known and known.family == "voyage":
        return ModelSpec(text, "voyage", known.architecture)
    return ModelSpec(text, "hub", text)


def _prefixed(text: str, prefix: str, target: str) -> ModelSpec:
    name, at, file = target.partition("@")
    folder = Path(target).expanduser()
    if not name or (at and not file):
        raise ModelError(f"--mieb-model={text}: something is missing after {text[-1]!r}. Legal are {LEGAL}.")
    if prefix == "hf":
        if folder.is_dir():
            return ModelSpec(text, "folder", str(folder))
        if is_hub_id(target):
            return ModelSpec(text, "hub", target)
        raise ModelError(f"--mieb-model={text}: no such folder, and no hub id; give hf:FOLDER or hf:ORG/NAME")
    if prefix in ("mteb", "voyage"):
        return ModelSpec(text, prefix, target)  # type: ignore[arg-type]
    if not at:
        return ModelSpec(text, prefix, str(folder) if folder.is_dir() else target)  # type: ignore[arg-type]
    weights = Path(file).expanduser()
    if not weights.is_file():
        near = sorted(weights.parent.glob(f"*{weights.suffix}")) if weights.parent.is_dir() else []
        hint = f"; there are {', '.join(str(each) for each in near[:5])}" if near else ""
        raise ModelError(f"--mieb-model={text}: no such file {file}{hint}")
    return ModelSpec(text, prefix, name, weights)  # type: ignore[arg-type]
