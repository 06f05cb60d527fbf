"""The text after `--mieb-model`: which model it means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def file_name(text: str) -> str:
    """The name of a model, fit for that of a file."""
    return re.sub(r"[^\w.-]+", "__", text)


@dataclass(frozen=True)
class ModelSpec:
    """A model that can be named: what kind it is, and the name its results and its baseline go by.

    For open_clip and timm: `target` is an architecture (open_clip: with its tag after a slash), a folder or a hub id,
    and `file` bare weights. For the others `target` is what follows the prefix, or all of `text`. `has_revisions`: it
    is a repository of the hub, so that `--mieb-revision` means something.
    """

    text: str
    kind: str
    target: str = ""
    file: Path | None = None
    has_revisions: bool = False

    @property
    def name(self) -> str:
        """For a folder its own name, for weights that of their file; for the rest the text, fit for a file name."""
        text = self.text
        if self.kind == "folder":
            text = Path(self.target or self.text).resolve().name
        elif self.file:
            text = f"{self.target}@{self.file.name}"
        return file_name(text)


def is_hub_id(text: str) -> bool:
    """Whether the text looks like `org/name`, and not like a path in a folder that is there."""
    return bool(_HUB_ID.fullmatch(text)) and not text.startswith((".", "~")) and not Path(text).parent.is_dir()
