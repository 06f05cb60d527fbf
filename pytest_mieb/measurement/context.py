"""What a score was measured with: what must be the same for a comparison, and what should be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2b
from typing import Any

# Raised whenever a task is scored otherwise than before; scores of two versions do not compare.
PROTOCOL_VERSION = 1
# What every run tells of its preprocessing now, and older baselines do not say.
_NOT_RECORDED_ONCE = ("text case",)


@dataclass(frozen=True)
class Context:
    """The circumstances of a run, apart from its data.

    `device` is a class of devices (cpu, or the name of a GPU); `store_dtype` says to what embeddings are rounded before
    they are scored, nothing where they are not; `canary` names the stations of the canary that had moved in that
    environment, nothing where none had.
    """

    fingerprint: str = ""
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    protocol: int = PROTOCOL_VERSION
    device: str = ""
    dtype: str = ""
    store_dtype: str = ""
    batch_size: int = 0
    canary: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """A short name by which a baseline's tasks refer to the run, the same for the same context."""
        return blake2b(json.dumps(self.to_json(), sort_keys=True).encode(), digest_size=4).hexdigest()

    def to_json(self) -> dict[str, Any]:
        content = asdict(self)
        return content if self.store_dtype else {name: content[name] for name in content if name != "store_dtype"}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Context:
        """Raises TypeError for a key that is none of the fields, or a value of another kind than the field's."""
        context = cls(**content)
        if isinstance(context.canary, list):
            context = replace(context, canary=tuple(context.canary))
        for name, default in vars(cls()).items():
            if not isinstance(getattr(context, name), type(default)):
                raise TypeError(f"{name} is {getattr(context, name)!r}")
        return context


def refusal(old: Context, new: Context) -> str | None:
    """Why scores of the two cannot be compared at all, or None."""
    if old.protocol != new.protocol:
        return (
            f"the baseline was scored by version {old.protocol} of the protocols, this run by version {new.protocol}; "
            "record the baseline anew with --mieb-update"
        )
    if old.canary != new.canary:
        return (
            f"the environment moved, not the model: the canary differed at {_stations(old.canary)} when the baseline "
            f"was recorded, and differs at {_stations(new.canary)} now; compare in the environment of the baseline, or "
            "record it anew"
        )
    return None


def differences(old: Context, new: Context) -> Iterator[str]:
    """What else differs, a sentence each: the scores are compared, with a warning."""
    for name, before, now in (
        ("device", old.device, new.device),
        ("dtype", old.dtype, new.dtype),
        ("batch size", old.batch_size, new.batch_size),
    ):
        if before and now and before != now:
            yield f"the {name} is {now}, the baseline's was {before}"
    if old.store_dtype != new.store_dtype:
        stored = (context.store_dtype or "float32" for context in (new, old))
        yield "the embeddings are stored in {}, the baseline's in {}".format(*stored)
    if new.canary:
        yield f"the canary differs from the package's at {_stations(new.canary)}, as when the baseline was recorded"
    moved = [
        f"{library} {new.versions[library]} (was {version})"
        for library, version in old.versions.items()
        if new.versions.get(library, version) != version
    ]
    if moved:
        yield f"versions differ from the baseline's: {', '.join(moved)}"


def preprocessing_change(old: Context, new: Context) -> str | None:
    """How the model's inputs are prepared otherwise than the baseline's were, or None.

    It is the most frequent reason for a drop, so a failure begins with it.
    """
    if not old.preprocessing or not new.preprocessing:
        return None
    added = (name for name in new.preprocessing if name not in old.preprocessing and name not in _NOT_RECORDED_ONCE)
    names = [*old.preprocessing, *added]
    changes = [
        f"{name} {_shown(old.preprocessing.get(name))} -> {_shown(new.preprocessing.get(name))}"
        for name in names
        if _plain(old.preprocessing.get(name)) != _plain(new.preprocessing.get(name))
    ]
    return f"preprocessing differs from the baseline's: {', '.join(changes)}" if changes else None


def _stations(moved: tuple[str, ...]) -> str:
    return ", ".join(moved) or "no station"


def _plain(value: Any) -> Any:
    """As it comes back from a file, where a tuple is a list."""
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return "/".join(map(_shown, value)) if isinstance(value, (list, tuple)) else str(value)
