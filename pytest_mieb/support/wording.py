"""Values of others' files in the sentences of errors: however large they are, in a few words."""

from __future__ import annotations

import reprlib
from typing import Any

_WIDTH = 60
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 2 * _WIDTH
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist, _SHORT.maxtuple = 2, 3, 4, 4


def shown(value: Any) -> str:
    """The value as Python writes it, with its middle left out where it is long."""
    text = _SHORT.repr(value)
    return text if len(text) <= 2 * _WIDTH else f"{text[: 2 * _WIDTH]} ..."


def key(name: Any) -> str:
    """A key as it stands in a file: a text without quotes, with its end left out where it is long."""
    text = name if isinstance(name, str) else shown(name)
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]} ..."
