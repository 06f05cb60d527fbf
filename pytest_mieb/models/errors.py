"""The one error of this package."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ModelError(Exception):
    """A model that cannot be loaded or used; the message says why and what to do."""


class NoArrayError(ModelError):
    """What a model gave is no array of embeddings; the message begins with "it gave"."""


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its name where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def named(error: BaseException) -> str:
    """Its type and its first line."""
    return f"{type(error).__name__}: {first_line(error)}"


def near(name: str, names: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """Up to three of `names` that may have been meant, the nearest first; case is forgiven."""
    spelt = {known.lower(): known for known in names}
    return [spelt[each] for each in difflib.get_close_matches(name.lower(), spelt, n=3, cutoff=cutoff)]


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """` Did you mean A or B?`, or nothing where no name is near."""
    found = near(name, names)
    return f" Did you mean {' or '.join(found)}?" if found else ""
