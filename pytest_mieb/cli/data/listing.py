"""`pytest-mieb data list`: a row a dataset that tasks need, and what all of them take."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mieb.cli.data.choosing import FINE, WRONG, chosen, is_offline
from pytest_mieb.cli.sides import RefusalError
from pytest_mieb.report.table import aligned
from pytest_mieb.support.sizes import size_shown

if TYPE_CHECKING:
    from pytest_mieb.data.mirroring.needing import Need

_HEADINGS = ("DATASET", "REVISION", "LICENCE", "GATED", "TASKS", "DOWNLOAD", "ON DISK", "THERE")
_NUMBERS = 3
_REVISION_SHOWN, _TASKS_SHOWN = 12, 2
_UNKNOWN = "unknown"


def run(given: argparse.Namespace) -> int:
    from pytest_mieb.data.mirroring.needing import needs

    tasks = chosen(given)
    if given.mirror is not None and not given.mirror.is_dir():
        raise RefusalError(f"--in={given.mirror}: there is no such folder")
    offline = is_offline()
    found = needs(tasks, given.mirror, _warn, offline=offline)
    if given.json:
        sys.stdout.write(json.dumps(_content(found), indent=1, ensure_ascii=False) + "\n")
    else:
        rows = [_HEADINGS, *map(_row, found)]
        sys.stdout.writelines(f"{line}\n" for line in aligned(rows, left=len(_HEADINGS) - _NUMBERS))
        sys.stdout.write(f"{_total(found, given.mirror)}\n")
    problems = dict.fromkeys(need.problem for need in found if need.problem)
    for problem in problems:
        _warn(f"pytest-mieb data: {problem}")
    if offline:
        _warn("pytest-mieb data: HF_HUB_OFFLINE is set, so the hub was not asked")
    return WRONG if problems else FINE


def _warn(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def _row(need: Need) -> Sequence[str]:
    names = [task.name for task in need.tasks]
    more = f" and {len(names) - _TASKS_SHOWN} more" if len(names) > _TASKS_SHOWN else ""
    return (
        need.ref.path,
        need.ref.revision[:_REVISION_SHOWN],
        ", ".join("its own terms" if "/" in each else each for each in need.licences) or "-",
        _UNKNOWN if need.gated is None else "gated" if need.gated else "-",
        ", ".join(names[:_TASKS_SHOWN]) + more,
        _size(need.download, about=need.about),
        _size(need.on_disk, about=need.about),
        _there(need),
    )


def _size(n_bytes: int | None, *, about: bool = False) -> str:
    if n_bytes is None:
        return _UNKNOWN
    return f"{'about ' if about else ''}{size_shown(n_bytes)}"


def _there(need: Need) -> str:
    if need.there is None or need.download is None:
        return _UNKNOWN
    if need.there in (0, need.download):
        return "all" if need.there else "-"
    return size_shown(need.there)


def _total(found: Sequence[Need], mirror: Path | None) -> str:
    def all_of(what: Callable[[Need], int | None]) -> str:
        known = [size for need in found if (size := what(need)) is not None]
        return _size(sum(known), about=any(need.about for need in found)) if known else _UNKNOWN

    n_tasks = sum(len(need.tasks) for need in found)
    unknown = sum(need.download is None for need in found)
    where = str(mirror) if mirror else "the hub's own cache"
    there = size_shown(sum(need.there or 0 for need in found))
    said = (
        f"{_counted(n_tasks, 'task')} of {_counted(len(found), 'dataset')}: {all_of(lambda need: need.download)} to "
        f"download, {all_of(lambda need: need.on_disk)} on disk; {there} in {where} already"
    )
    return said + (f"; {_counted(unknown, 'dataset')} of unknown size not counted" if unknown else "")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _content(found: Sequence[Need]) -> dict[str, Any]:
    """All of it as JSON has it; null is what is not known."""
    datasets = [
        {
            "dataset": need.ref.path,
            "revision": need.ref.revision,
            "tasks": [task.name for task in need.tasks],
            "licences": need.licences,
            "gated": need.gated,
            "download": need.download,
            "on_disk": need.on_disk,
            "there": need.there,
            "about": need.about,
            "problem": need.problem or None,
        }
        for need in found
    ]
    return {"format": 1, "datasets": datasets}
