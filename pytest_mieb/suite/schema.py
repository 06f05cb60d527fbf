"""What a key of a card may hold."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """One key of a card's section: its type, whether it must be there, and of a list its length where that is fixed."""

    kind: type | tuple[type, ...]
    required: bool = True
    length: int | None = None


TEXT, TEXTS, COUNT = Key(str), Key(tuple), Key(int)
OPTIONAL_TEXT, OPTIONAL_FLAG, OPTIONAL_COUNTS = Key(str, False), Key(bool, False), Key(tuple, False)
# What a card may write in place of a list: the names of the column's classes, as they are or made readable.
CLASS_NAMES, SCENE_NAMES = "class names", "scene names"
