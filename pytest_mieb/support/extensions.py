"""What other packages add by entry points, beside the package's own."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, TypeVar


class Named(Protocol):
    """Anything that is registered by its name."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class ExtensionError(Exception):
    """An entry point that cannot be used; the message names the package and what to do."""


def registry(group: str, own: Iterable[T], kind: type[T]) -> dict[str, T]:
    """The package's `own` objects by name, and those of the entry points of `group` after them.

    Args:
        kind: the class that each entry point must be an object of.

    Raises:
        ExtensionError: an entry point cannot be loaded, is of another class, or its name is taken.
    """
    found = {each.name: each for each in own}
    for point in entry_points(group=group):
        each = _loaded(point, kind)
        if each.name in found:
            raise ExtensionError(f"{_said(point)}: the name {each.name!r} is taken; choose another one")
        found[each.name] = each
    return found


def _loaded(point: EntryPoint, kind: type[T]) -> T:
    try:
        each = point.load()
    except Exception as error:  # code of others
        raise ExtensionError(
            f"{_said(point)}: cannot be loaded ({type(error).__name__}: {error}); mend or uninstall that package"
        ) from error
    if not isinstance(each, kind):
        raise ExtensionError(f"{_said(point)}: is a {type(each).__name__}; it must be a {kind.__name__}")
    return each


def _said(point: EntryPoint) -> str:
    package = f" of {point.dist.name}" if point.dist else ""
    return f"entry point {point.name} = {point.value}{package} in {point.group}"
