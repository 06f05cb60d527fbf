"""What the commands on stored measurements share: their arguments, and the way they refuse."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

USAGE_ERROR = 4
BASELINES = Path("baselines")


class RefusalError(Exception):
    """A mistake of the user's; the message says what to do."""


def add_tasks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tasks", action="append", default=[], metavar="DIR", help="folder with further task cards")


def exiting_on_refusal(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Exit as for wrong usage, with one sentence, where what was named cannot be used."""

    @wraps(run)
    def refuse(given: argparse.Namespace) -> int:
        from pytest_mieb.measurement.baseline import BaselineError
        from pytest_mieb.suite.cards import CardError
        from pytest_mieb.support.extensions import ExtensionError

        try:
            return run(given)
        except (BaselineError, CardError, ExtensionError, RefusalError) as error:
            sys.stderr.write(f"pytest-mieb {given.command}: {error}\n")
            return USAGE_ERROR

    return refuse
