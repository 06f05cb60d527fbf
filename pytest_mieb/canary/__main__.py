"""`python -m pytest_mieb.canary`: check this environment; with `--record`, make it the golden one.

Exit code 0: nothing moved, or recorded; 1: something moved; 2: it cannot be checked.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pytest_mieb.canary import CanaryError, check

UNMOVED, MOVED, UNCHECKED = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pytest_mieb.canary", description=__doc__)
    parser.add_argument("--device", default="cpu", help="the torch device on which embeddings are checked")
    parser.add_argument(
        "--record", action="store_true", help="write the golden values of this environment, measured on its CPU"
    )
    given = parser.parse_args(arguments)
    try:
        return _record() if given.record else _check(given.device)
    except CanaryError as error:
        sys.stderr.write(f"{error}\n")
        return UNCHECKED


def _check(device: str) -> int:
    report = check(device)
    sys.stdout.writelines(f"{line}\n" for line in report.lines)
    if report.sentence:
        sys.stdout.write(f"{report.sentence}\n")
    return MOVED if report.moved else UNMOVED


def _record() -> int:
    from pytest_mieb.canary import golden
    from pytest_mieb.canary.stations import measure

    found = measure()
    golden.write(found)
    versions = ", ".join(f"{name} {version}" for name, version in found.environment.items())
    sys.stdout.write(f"recorded in {golden.FILE}: model and probes {found.fingerprint[:12]}, {versions}\n")
    return UNMOVED


if __name__ == "__main__":
    sys.exit(main())
