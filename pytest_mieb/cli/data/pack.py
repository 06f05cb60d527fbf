"""`pytest-mieb data pack`: a mirror of a part of another."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pytest_mieb.cli.data.choosing import FINE, WRONG, chosen
from pytest_mieb.cli.sides import RefusalError
from pytest_mieb.runtime.settings import default_cache
from pytest_mieb.support.sizes import size_shown

_SHARE = 0.01


def run(given: argparse.Namespace) -> int:
    from pytest_mieb.data.mirroring.packing import pack
    from pytest_mieb.data.parts import Draw
    from pytest_mieb.data.sources import Mirror

    tasks = chosen(given)
    mirror, out = given.mirror.resolve(), given.out.resolve()
    if not mirror.is_dir():
        raise RefusalError(f"{given.mirror}: there is no such folder; `pytest-mieb data fetch` makes a mirror")
    _refuse_used(out)
    there = {path: own for path, own in tasks.items() if _selected(given) or (mirror / path).is_dir()}
    if not there:
        raise RefusalError(f"{given.mirror} holds no dataset of the suite as DIR/<org>/<name>; give a mirror")
    out.mkdir(parents=True, exist_ok=True)
    share = _SHARE if given.share is None else given.share
    packed = pack(
        Mirror(mirror, default_cache() / "datasets", any_size=True),
        out,
        there,
        lambda path: Draw(given.seed, path, share, given.rows),
        lambda path: None,
    )
    sys.stdout.write(
        f"{sum(packed.rows.values()):,} rows of {len(packed.rows)} datasets, {size_shown(packed.n_bytes)}, in "
        f"{given.out}; run it with --mieb-data={given.out} --mieb-sizes=any\n"
    )
    for path, problem in packed.problems.items():
        sys.stdout.write(f"failed: {path}: {problem}\n")
    return WRONG if packed.problems else FINE


def _selected(given: argparse.Namespace) -> bool:
    return bool(given.markers or given.keywords)


def _refuse_used(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RefusalError(f"{out}: a part is written to a new or an empty folder; give another one, or remove it")
