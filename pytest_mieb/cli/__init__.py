"""The command `pytest-mieb`: what can be asked without running pytest."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from pytest_mieb import __version__
from pytest_mieb.cli import cache, compare, data, embed, models, show
from pytest_mieb.cli.sides import USAGE_ERROR


class _Parser(argparse.ArgumentParser):
    """Wrong usage exits with pytest's code for it: argparse's own means an interrupted run there."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        hint = self.get_default("hint") or ""
        self.exit(USAGE_ERROR, f"{self.prog}: error: {message}{hint if 'required' in message else ''}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code; `--help` and wrong usage exit themselves."""
    given = _parser().parse_args(arguments)
    try:
        code: int = given.run(given)
        sys.stdout.flush()
    except BrokenPipeError:  # `pytest-mieb models | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="pytest-mieb", description="MIEB, the Massive Image Embedding Benchmark.")
    parser.add_argument("--version", action="version", version=f"pytest-mieb {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (models, compare, show, cache, data, embed):
        command.declare(commands)
    return parser
