"""`pytest-mieb data fetch`: a mirror of what tasks read, or what it lacks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pytest_mieb.cli.data.choosing import FINE, WRONG, chosen, is_offline
from pytest_mieb.cli.sides import RefusalError
from pytest_mieb.support.sizes import size_shown


def run(given: argparse.Namespace) -> int:
    from pytest_mieb.cli.data.progress import Shown
    from pytest_mieb.data.mirroring.fetching import Fetch

    tasks = chosen(given)
    if is_offline():
        raise RefusalError("HF_HUB_OFFLINE is set, and a fetch asks the hub; unset it")
    mirror: Path = given.mirror
    if mirror.exists() and not mirror.is_dir():
        raise RefusalError(f"{mirror} is a file; give a folder")
    with Shown("fetching") as shown:
        fetched = Fetch(mirror.resolve(), shown, given.jobs).run(tasks)
    whole = len(fetched.datasets) - len(fetched.problems)
    sys.stdout.write(
        f"{whole} of {len(fetched.datasets)} datasets are whole in {mirror}; {fetched.files:,} files, "
        f"{size_shown(fetched.n_bytes)}, came over the network\n"
    )
    if not fetched.problems:
        return FINE
    for path, problem in sorted(fetched.problems.items()):
        sys.stdout.write(
            f"failed: {path}: {problem.removeprefix(f'dataset {path} ').removeprefix(f'dataset {path}: ')}\n"
        )
    sys.stdout.write("the same command fetches what lacks, and nothing twice\n")
    return WRONG
