"""`pytest-mieb show`: what a run can be compared with."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pytest_mieb.cli.sides import BASELINES, add_tasks, exiting_on_refusal

FINE, DAMAGED = 0, 1


def declare(commands: Any) -> None:
    parser = commands.add_parser(
        "show",
        help="print a baseline, or list all there are",
        description="Print a recorded baseline, published scores, or the results of a run; without NAME, list them. "
        "Exit code 1: outcomes of examples are missing or are not those of the score.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a name in baselines/ or the package, or a path")
    add_tasks(parser)
    parser.set_defaults(run=exiting_on_refusal(run), command="show")


def run(given: argparse.Namespace) -> int:
    from pytest_mieb.gate.stored import open_stored
    from pytest_mieb.report.baseline import catalogue, page
    from pytest_mieb.suite.cards import load_tasks

    problems: list[str] = []
    if given.name is None:
        lines = catalogue(BASELINES)
    else:
        tasks = load_tasks(map(Path, given.tasks))
        lines, problems = page(open_stored(given.name, BASELINES, tasks), tasks)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return DAMAGED if problems else FINE
