"""`pytest-mieb models`: what loads by name."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from pytest_mieb.models.loading.registry import MODELS, KnownModel, near
from pytest_mieb.report.table import aligned

FOUND, NOTHING_FOUND = 0, 1
_HEADINGS = ("NAME", "FAMILY", "REVISION", "DTYPE", "MODALITIES", "PARAMETERS")


def declare(commands: Any) -> None:
    parser = commands.add_parser(
        "models",
        help="list the models of the MIEB paper, which load by name",
        description="List the models of the MIEB paper. Each loads by its name: pytest --mieb-model=NAME.",
    )
    parser.add_argument(
        "filter", nargs="?", default="", help="show only those with this text in name, family, dtype or modalities"
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    wanted = given.filter.lower()
    rows = [_row(model) for model in MODELS]
    rows = [row for row in rows if any(wanted in cell.lower() for cell in (row[0], row[1], row[3], row[4]))]
    if not rows:
        hint = f"; did you mean {' or '.join(alike)}?" if (alike := near(given.filter)) else ""
        sys.stderr.write(f"pytest-mieb models: none of the {len(MODELS)} models matches {given.filter!r}{hint}\n")
        return NOTHING_FOUND
    sys.stdout.writelines(f"{line}\n" for line in aligned([_HEADINGS, *rows], left=len(_HEADINGS) - 1))
    return FOUND


def _row(model: KnownModel) -> tuple[str, ...]:
    size = f"{model.parameters / 1e6:,.0f} M" if model.parameters else "-"
    return model.name, model.family, (model.revision or "-")[:12], model.dtype, model.modalities, size
