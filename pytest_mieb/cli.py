"""The command `pytest-mieb`: what can be asked without running pytest."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from pytest_mieb import __version__
from pytest_mieb.models.registry import MODELS, KnownModel, near

FOUND, NOTHING_FOUND = 0, 1
_HEADINGS = ("NAME", "FAMILY", "REVISION", "DTYPE", "MODALITIES", "PARAMETERS")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code: 0, or 1 where it finds nothing; argparse exits with 2 itself."""
    given = _parser().parse_args(arguments)
    try:
        code: int = given.run(given)
        sys.stdout.flush()
    except BrokenPipeError:  # `pytest-mieb models | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FOUND
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pytest-mieb", description="MIEB, the Massive Image Embedding Benchmark.")
    parser.add_argument("--version", action="version", version=f"pytest-mieb {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    models = commands.add_parser(
        "models",
        help="list the models of the MIEB paper, which load by name",
        description="List the models of the MIEB paper. Each loads by its name: pytest --mieb-model=NAME.",
    )
    models.add_argument(
        "filter", nargs="?", default="", help="show only those with this text in name, family, dtype or modalities"
    )
    models.set_defaults(run=_models)
    return parser


def _models(given: argparse.Namespace) -> int:
    wanted = given.filter.lower()
    rows = [_row(model) for model in MODELS]
    rows = [row for row in rows if any(wanted in cell.lower() for cell in (row[0], row[1], row[3], row[4]))]
    if not rows:
        hint = f"; did you mean {' or '.join(alike)}?" if (alike := near(given.filter)) else ""
        sys.stderr.write(f"pytest-mieb models: none of the {len(MODELS)} models matches {given.filter!r}{hint}\n")
        return NOTHING_FOUND
    sys.stdout.writelines(f"{line}\n" for line in _aligned([_HEADINGS, *rows]))
    return FOUND


def _row(model: KnownModel) -> tuple[str, ...]:
    size = f"{model.parameters / 1e6:,.0f} M" if model.parameters else "-"
    return model.name, model.family, (model.revision or "-")[:12], model.dtype, model.modalities, size


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell, the last one (numbers) to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [*(f"{cell:<{width}}" for cell, width in zip(row[:-1], widths, strict=False)), row[-1].rjust(widths[-1])]
        )
        for row in rows
    ]


if __name__ == "__main__":
    sys.exit(main())
