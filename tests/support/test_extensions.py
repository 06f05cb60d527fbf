"""What other packages add by entry points: found, checked, and named in errors."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType, SimpleNamespace

import pytest

from pytest_mieb.support import extensions
from pytest_mieb.support.extensions import ExtensionError, registry


@dataclass(frozen=True)
class Thing:
    name: str


OWN = (Thing("one"), Thing("two"))


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module whose attributes are the entry points of `things`."""
    module = ModuleType("others_things")
    monkeypatch.setitem(__import__("sys").modules, module.__name__, module)

    def points(group: str) -> EntryPoints:
        names = [name for name in vars(module) if not name.startswith("_")]
        return EntryPoints(EntryPoint(name, f"{module.__name__}:{name}", group) for name in names)

    monkeypatch.setattr(extensions, "entry_points", points)
    return module


def test_own_things_come_first_and_others_after(others: ModuleType) -> None:
    vars(others)["three"] = Thing("three")
    assert list(registry("things", OWN, Thing)) == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (Thing("two"), "the name 'two' is taken; choose another one"),
        (SimpleNamespace(name="three"), "is a SimpleNamespace; it must be a Thing"),
    ],
)
def test_what_cannot_be_used_is_refused(others: ModuleType, given: object, sentence: str) -> None:
    vars(others)["three"] = given
    with pytest.raises(ExtensionError) as refusal:
        registry("things", OWN, Thing)
    assert str(refusal.value) == f"entry point three = others_things:three in things: {sentence}"


def test_what_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("three", "nowhere_at_all:three", "things")
    monkeypatch.setattr(extensions, "entry_points", lambda group: EntryPoints([point]))
    with pytest.raises(ExtensionError, match=r"cannot be loaded \(ModuleNotFoundError: .*\); mend or uninstall"):
        registry("things", OWN, Thing)
