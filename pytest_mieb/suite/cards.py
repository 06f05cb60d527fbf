"""Reading and checking task cards, and the order that tasks run in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from pytest_mieb import protocols
from pytest_mieb.data import layouts
from pytest_mieb.protocols.spec import ProtocolSpec, ScoringError
from pytest_mieb.suite.schema import OPTIONAL_TEXT as _OPTIONAL_TEXT
from pytest_mieb.suite.schema import TEXT as _TEXT
from pytest_mieb.suite.schema import Key
from pytest_mieb.suite.task import CATEGORIES, DEFAULT_SUBSET, MODALITIES, SUITES, DatasetRef, Task
from pytest_mieb.support.packaged import packaged
from pytest_mieb.support.sizes import size_read
from pytest_mieb.support.strict_yaml import YamlError, load
from pytest_mieb.support.wording import key as key_of
from pytest_mieb.support.wording import shown


class CardError(ValueError):
    """A card that cannot be used; the message names file, key and remedy."""


_REPOSITORY_PART = re.compile(r"(?!\.+$)[\w.-]+")  # not "." nor ".."
_REVISION = re.compile(r"(?!\.+$)[\w./-]+")


def load_tasks(extra: Iterable[Path] = ()) -> dict[str, Task]:
    """All tasks by name: the packaged cards in suite order, then those of each folder in `extra`.

    Suite order is category by category, and by name (case-insensitively) within one.

    Raises:
        CardError: a card is malformed, two cards share a name, or a folder holds no card.
    """
    tasks: dict[str, Task] = {}
    for folder in (packaged("tasks"), *extra):
        cards = sorted(folder.rglob("*.yaml"))
        if not cards:
            raise CardError(f"{folder}: no task card (*.yaml) in this folder; give a folder that holds cards")
        found = sorted(map(read_card, cards), key=lambda task: (CATEGORIES.index(task.category), task.name.lower()))
        for task in found:
            if task.name in tasks:
                raise CardError(
                    f"{task.file}: name: {shown(task.name)} is taken by {tasks[task.name].file}; choose another name"
                )
            tasks[task.name] = task
    return tasks


def read_card(path: Path) -> Task:
    """Read and check one card.

    Raises:
        CardError: naming the file, the key and what to do.
    """
    try:
        content = load(path)
    except YamlError as error:
        raise CardError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise CardError(f"{path}: a card is a mapping of keys to values; start with 'name: ...'")
    return _Card(path, content).task()


class _Card:
    """The content of one card file while it is checked."""

    TOP: Mapping[str, Key] = {
        "name": _TEXT,
        "category": _TEXT,
        "suites": Key(tuple, required=False),
        "modalities": _TEXT,
        "protocol": _TEXT,
        "metric": _TEXT,
        "instruction": _OPTIONAL_TEXT,
        "dataset": Key(dict),
        "scoring": Key(dict, required=False),
        "subsets": Key(dict, required=False),
        "languages": Key(tuple, required=False),
        "expected": Key(dict, required=False),
        "seconds": Key((int, float), required=False),
        "download": _OPTIONAL_TEXT,
        "license": _OPTIONAL_TEXT,
        "reference": _OPTIONAL_TEXT,
        "notes": _OPTIONAL_TEXT,
    }

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        self.path = path
        self.top = self.section("", content, self.TOP)

    def task(self) -> Task:
        top = self.top
        if top["name"] != self.path.stem:
            self.refuse("name", f"{shown(top['name'])} differs from the file's name; call one as the other")
        self.one_of("category", top["category"], CATEGORIES)
        self.one_of("modalities", top["modalities"], MODALITIES)
        protocol = protocols.known()[self.one_of("protocol", top["protocol"], protocols.known())]
        for suite in top.get("suites", ()):
            self.one_of("suites", suite, SUITES)
        if protocol.such_as and top["metric"] not in protocol.metrics:
            self.refuse("metric", f"{shown(top['metric'])} is not {protocol.such_as}")
        self.one_of("metric", top["metric"], protocol.metrics)
        scoring = self.section("scoring", top.get("scoring", {}), protocol.keys)
        try:
            protocol.check(scoring, top.get("notes", "").strip())
        except ScoringError as problem:
            self.refuse(f"scoring.{problem.key}", problem.sentence)
        return Task(
            name=top["name"],
            category=top["category"],
            suites=top.get("suites", ()),
            modalities=top["modalities"],
            protocol=protocol.name,
            metric=top["metric"],
            dataset=self.dataset(protocol),
            subsets=self.subsets(),
            scoring=MappingProxyType(scoring),
            instruction=top.get("instruction"),
            expected=MappingProxyType(self.expected()),
            seconds=self.seconds(),
            download=self.download(),
            license=top.get("license", ""),
            reference=top.get("reference", ""),
            notes=top.get("notes", "").strip(),
            file=self.path,
        )

    def dataset(self, protocol: ProtocolSpec) -> DatasetRef:
        content = dict(self.top["dataset"])
        known = layouts.known()
        layout = known[self.one_of("dataset.layout", content.get("layout"), known)]
        if layout.gives != protocol.takes:
            legal = ", ".join(each.name for each in known.values() if each.gives == protocol.takes)
            self.refuse(
                "dataset.layout",
                f"the protocol {protocol.name} does not read {shown(layout.name)}; use one of: {legal}",
            )
        own = layout.keys
        checked = self.section("dataset", content, {"path": _TEXT, "revision": _TEXT, "layout": _TEXT, **own})
        parts = checked["path"].split("/")
        if len(parts) != 2 or not all(_REPOSITORY_PART.fullmatch(part) for part in parts):
            self.refuse("dataset.path", f"{shown(checked['path'])} is not a dataset repository; write it as org/name")
        if not _REVISION.fullmatch(checked["revision"]):
            self.refuse(
                "dataset.revision", f"{shown(checked['revision'])} is no commit, tag or branch; write the pinned commit"
            )
        for key in protocol.layout_needs:
            if key not in checked:
                self.refuse(f"dataset.{key}", f"missing; the protocol {protocol.name} needs it")
        for key, wanted in own.items():
            if wanted.length and key in checked and len(checked[key]) != wanted.length:
                self.refuse(
                    f"dataset.{key}",
                    f"{shown(list(checked[key]))} is a list of {len(checked[key])}; name exactly {wanted.length}",
                )
        options = {key: value for key, value in checked.items() if key in own}
        return DatasetRef(checked["path"], checked["revision"], layout.name, MappingProxyType(options))

    def subsets(self) -> Mapping[str, tuple[str, ...]]:
        top = self.top
        if ("subsets" in top) == ("languages" in top):
            self.refuse("languages", "give either languages, or subsets with the languages of each")
        if "languages" in top:
            return MappingProxyType({DEFAULT_SUBSET: self.texts("languages", top["languages"])})
        if not top["subsets"]:
            self.refuse("subsets", "empty; name at least one subset with its languages")
        subsets = {}
        for subset, languages in top["subsets"].items():
            if not isinstance(subset, str):
                self.refuse("subsets", f"{shown(subset)} is not text; put the subset's name in quotes")
            subsets[subset] = self.texts(f"subsets.{subset}", languages)
        return MappingProxyType(subsets)

    def expected(self) -> dict[str, int]:
        expected = self.top.get("expected", {})
        for name, count in expected.items():
            if not isinstance(name, str):
                self.refuse("expected", f"{shown(name)} is not text; put the name in quotes")
            if not isinstance(count, int) or isinstance(count, bool) or count < 1:
                self.refuse(f"expected.{name}", f"{shown(count)} is not a number of rows; write a whole number above 0")
        return dict(expected)

    def seconds(self) -> float | None:
        seconds: float | None = self.top.get("seconds")
        if seconds is not None and not 0 < seconds < float("inf"):
            self.refuse("seconds", f"{shown(seconds)} is no time; write seconds above 0, or leave it out")
        return seconds

    def download(self) -> float:
        given = self.top.get("download")
        if given is None:
            return 0.0
        n_bytes = size_read(given)
        if not n_bytes:
            self.refuse("download", f"{shown(given)} is not a size; write it as 20.1 GB")
        return n_bytes

    def section(self, section: str, content: Mapping[Any, Any], keys: Mapping[str, Key]) -> dict[str, Any]:
        """`content` with its lists as tuples, after checking its keys and their types."""
        prefix = f"{section}." if section else ""
        for name in content:
            if name not in keys:
                self.refuse(f"{prefix}{key_of(name)}", f"unknown key; the legal ones are {', '.join(keys) or 'none'}")
        checked: dict[str, Any] = {}
        for name, key in keys.items():
            if name not in content:
                if key.required:
                    self.refuse(f"{prefix}{name}", "missing; add it")
                continue
            value = content[name]
            value = tuple(value) if isinstance(value, list) else value
            kinds = key.kind if isinstance(key.kind, tuple) else (key.kind,)
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                wanted = " or ".join(_KIND_NAMES[kind] for kind in kinds)
                self.refuse(f"{prefix}{name}", f"{shown(value)} is not {wanted}; write {wanted}")
            if key.required and isinstance(value, str) and not value.strip():
                self.refuse(f"{prefix}{name}", "empty; write it")
            checked[name] = value
        return checked

    def texts(self, key: str, values: Any) -> tuple[str, ...]:
        if isinstance(values, list | tuple) and values and all(isinstance(value, str) for value in values):
            return tuple(values)
        self.refuse(key, f"{shown(values)} is not a list of texts; write it as [first, second]")

    def one_of(self, key: str, value: Any, legal: Iterable[str]) -> str:
        legal = list(legal)
        if isinstance(value, str) and value in legal:
            return value
        if value is None:
            self.refuse(key, f"missing; use one of: {', '.join(legal)}")
        self.refuse(key, f"{shown(value)} is not legal; use one of: {', '.join(legal)}")

    def refuse(self, key: str, sentence: str) -> NoReturn:
        raise CardError(f"{self.path}: {key}: {sentence}")


_KIND_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple: "a list",
    dict: "a mapping",
}
