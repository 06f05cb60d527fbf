"""What a loaded model is, in one line: family, class, version, dimension, dtype and preprocessing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Description:
    """What was recognised and loaded.

    `version` is a commit of the hub, or the head of the fingerprint of local files. `preprocessing` is resolved: what
    is done, not what was asked for; it holds plain values only. `warnings` say what a reader of the scores must know:
    guessed preprocessing, randomly initialised heads.
    """

    family: str
    architecture: str
    version: str
    dimension: int
    dtype: str
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        steps = ", ".join(f"{name} {_shown(value)}" for name, value in self.preprocessing.items())
        head = f"{self.family} ({self.architecture}) {self.version}, dimension {self.dimension}, {self.dtype}"
        return f"{head}; {steps}" if steps else head

    @property
    def lines(self) -> list[str]:
        """All of it, each line ready to be shown."""
        return [f"model: {self.line}", *(f"warning: {sentence}" for sentence in self.warnings)]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Description:
        return cls(**{**content, "warnings": tuple(content["warnings"])})


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        numbers = [_shown(each) for each in value]
        return numbers[0] if len(set(numbers)) == 1 else "/".join(numbers)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
