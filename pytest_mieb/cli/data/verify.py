"""`pytest-mieb data verify`: what of a mirror is missing, damaged, or of another revision."""

from __future__ import annotations

import argparse
import sys

from pytest_mieb.cli.data.choosing import FINE, WRONG, chosen, mirror_in
from pytest_mieb.support.sizes import size_shown


def run(given: argparse.Namespace) -> int:
    from pytest_mieb.cli.data.progress import Shown
    from pytest_mieb.data.mirroring.manifest import recorded
    from pytest_mieb.data.mirroring.verifying import verify

    tasks = chosen(given)
    mirror = mirror_in(given.mirror)
    selected = bool(given.markers or given.keywords)
    datasets = list(tasks) if selected else recorded(mirror)
    with Shown("checking") as shown:
        found = verify(
            mirror,
            datasets,
            tasks,
            all_needed=selected,
            jobs=given.jobs,
            moved=shown.moved,
            starting=shown.starting,
        )
    for problem in found.problems:
        sys.stdout.write(f"{problem}\n")
    sys.stdout.write(
        f"{found.datasets} datasets, {found.files:,} files, {size_shown(found.n_bytes)} checked, "
        f"{len(found.problems) or 'no'} problem{'' if len(found.problems) == 1 else 's'}\n"
    )
    if not found.problems:
        return FINE
    sys.stdout.write("`pytest-mieb data fetch` fetches what is missing or damaged\n")
    return WRONG
