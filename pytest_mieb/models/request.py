"""What a family is asked to load."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_mieb.models.errors import ModelError


@dataclass(frozen=True)
class Request:
    """One model to load, its files already on this machine.

    Args:
        spec: the text after `--mieb-model`.
        folder: where configuration and weights lie; None for a family that has no files (an API).
        name: what the spec names beside files: an open_clip or timm architecture, a model of an API.
        file: bare weights outside of a folder.
        adapter: a PEFT adapter's folder, to be merged into the model in `folder`.
        processor: where tokenizer and image processor lie, if not in `folder`.
        revision: the commit on the hub that was asked for, or that the registry pins.
        dtype: float32, float16 or bfloat16; None leaves it to the family.
        options: `--mieb-model-arg`, as given.
        max_cost: in US dollars, for an API; None sets no limit.
        memory: a folder where the hashes of large files are kept; None: they are read each time.
    """

    spec: str
    folder: Path | None = None
    name: str = ""
    file: Path | None = None
    adapter: Path | None = None
    processor: Path | None = None
    revision: str | None = None
    device: str = "cpu"
    dtype: str | None = None
    trust_remote_code: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    max_cost: float | None = None
    memory: Path | None = None

    @property
    def path(self) -> Path:
        """The folder, for a family that cannot do without."""
        if self.folder is None:
            raise ModelError(f"--mieb-model={self.spec}: this family needs a folder or a hub id")
        return self.folder

    @property
    def processor_path(self) -> Path:
        return self.processor or self.path

    def only(self, legal: Collection[str]) -> None:
        """Refuse options that the family does not know.

        Raises:
            ModelError: it names the option, near ones and the legal ones.
        """
        for name in self.options:
            if name not in legal:
                near = difflib.get_close_matches(name, legal, n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                known = ", ".join(sorted(legal)) or "none"
                raise ModelError(f"--mieb-model-arg={name}=...: this model takes no {name}{hint}; legal are {known}")

    def whole(self) -> None:
        """Refuse an adapter, for a family that can merge none.

        Raises:
            ModelError: one was given.
        """
        if self.adapter:
            raise ModelError(f"{self.adapter}: a PEFT adapter is merged into models of transformers only")

    def alone(self) -> None:
        """Refuse an adapter, and a processor from elsewhere, for a family that can use neither.

        Raises:
            ModelError: one of them was given.
        """
        self.whole()
        if self.processor:
            raise ModelError(
                f"--mieb-processor={self.processor}: this model does not take one; correct how it prepares images with "
                "--mieb-model-arg"
            )
