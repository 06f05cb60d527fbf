"""`pytest-mieb cache`: the embeddings that runs have stored, listed, checked and removed."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mieb.cli.sides import RefusalError, exiting_on_refusal
from pytest_mieb.runtime.settings import default_cache
from pytest_mieb.support.sizes import size_read, size_shown

if TYPE_CHECKING:
    from pytest_mieb.embedding.inventory import Holding
    from pytest_mieb.embedding.shared import Place

FINE, DAMAGED = 0, 1
_SECONDS_A_DAY = 86_400


def declare(commands: Any) -> None:
    parser = commands.add_parser(
        "cache",
        help="list, check or remove stored embeddings",
        description="The embeddings that runs have stored: without a further word, list them, a row a model.",
    )
    actions = parser.add_subparsers(title="what to do", metavar="ACTION", dest="action")
    listing = actions.add_parser("list", help="print a row a model, those first that were used last")
    checking = actions.add_parser(
        "verify",
        help="compare every file with its checksum",
        description="Compare every file with its checksum. Exit code 1: one is damaged. The next run that comes to it "
        "sets it aside and embeds again what it held.",
    )
    pruning = actions.add_parser(
        "prune",
        help="remove the embeddings of some models",
        description="Remove the embeddings of the models that all options given apply to. What a later run needs of "
        "them it embeds again.",
    )
    pruning.add_argument("--model", metavar="NAME", help="of this model, as --mieb-model named it")
    pruning.add_argument("--older-than", type=_days, metavar="DAYS", help="that no run has used for so many days")
    pruning.add_argument(
        "--down-to", type=_bytes, metavar="SIZE", help="used longest ago, until all take no more than this, e.g. 20GB"
    )
    pruning.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    for each, run in ((parser, show), (listing, show), (checking, verify), (pruning, prune)):
        # A default of None below would hide what stood before the action.
        default = None if each is parser else argparse.SUPPRESS
        each.add_argument("--cache", type=Path, default=default, metavar="DIR", help="the folder of --mieb-cache")
        each.add_argument("--store", default=default, metavar="URL", help="instead: the place of --mieb-store")
        each.set_defaults(run=exiting_on_refusal(run), command="cache")


def show(given: argparse.Namespace) -> int:
    place = _place(given)
    holdings = _holdings(place)
    if not holdings:
        sys.stdout.write(f"no embeddings are stored in {place.url}\n")
        return FINE
    sys.stdout.writelines(f"{line}\n" for line in _table(holdings, place))
    sys.stdout.write(f"{size_shown(sum(holding.n_bytes for holding in holdings))} in {place.url}\n")
    return FINE


def verify(given: argparse.Namespace) -> int:
    from pytest_mieb.embedding.inventory import damaged

    place = _place(given)
    holdings = _holdings(place)
    found = [pair for holding in holdings for pair in damaged(place, holding)]
    for path, why in found:
        sys.stdout.write(f"damaged: {place.url}{path.removeprefix(place.path)}: {why}\n")
    n_items = sum(holding.n_items for holding in holdings)
    sys.stdout.write(f"{n_items:,} embeddings of {_n_models(holdings)} checked, {_n_files(len(found))} damaged\n")
    return DAMAGED if found else FINE


def prune(given: argparse.Namespace) -> int:
    from pytest_mieb.embedding.inventory import remove
    from pytest_mieb.embedding.shared import SharedError

    if given.model is None and given.older_than is None and given.down_to is None:
        raise RefusalError("say what to remove with --model, --older-than or --down-to; `list` shows what there is")
    place = _place(given)
    holdings = _holdings(place)
    if given.model is not None and not any(_name(holding) == given.model for holding in holdings):
        names = ", ".join(sorted({_name(holding) for holding in holdings})) or "none"
        raise RefusalError(f"nothing is stored of the model {given.model}; stored are: {names}")
    chosen = _chosen(holdings, given)
    for holding in chosen:
        try:
            if not given.dry_run:
                remove(place, holding)
        except (SharedError, OSError) as error:
            raise RefusalError(f"{holding.folder} cannot be removed: {error}") from error
        done = "would be removed" if given.dry_run else "removed"
        sys.stdout.write(f"{done}: {_name(holding)}, {size_shown(holding.n_bytes)}, last used {_day(holding)}\n")
    left = sum(holding.n_bytes for holding in holdings) - sum(holding.n_bytes for holding in chosen)
    sys.stdout.write(f"{_n_models(chosen)} {'would be ' if given.dry_run else ''}removed, {size_shown(left)} left\n")
    return FINE


def _chosen(holdings: Sequence[Holding], given: argparse.Namespace) -> list[Holding]:
    """What all options apply to, that first which was used longest ago."""
    chosen = [holding for holding in reversed(holdings) if given.model in (None, _name(holding))]
    if given.older_than is not None:
        limit = time.time() - given.older_than * _SECONDS_A_DAY
        chosen = [holding for holding in chosen if holding.used < limit]
    if given.down_to is None:
        return chosen
    left = sum(holding.n_bytes for holding in holdings)
    taken: list[Holding] = []
    for holding in chosen:
        if left <= given.down_to:
            break
        taken.append(holding)
        left -= holding.n_bytes
    return taken


def _place(given: argparse.Namespace) -> Place:
    from pytest_mieb.embedding.shared import SharedError, located

    try:
        return located(given.store if given.store is not None else str(_folder(given)))
    except SharedError as error:
        raise RefusalError(f"--store={error}") from error


def _folder(given: argparse.Namespace) -> Path:
    folder: Path = given.cache if given.cache is not None else default_cache()
    if given.cache is not None and not folder.is_dir():
        raise RefusalError(f"--cache={folder}: there is no such folder")
    return folder


def _holdings(place: Place) -> list[Holding]:
    from pytest_mieb.embedding.inventory import inventory
    from pytest_mieb.embedding.shared import SharedError

    try:
        return inventory(place)
    except SharedError as error:
        raise RefusalError(f"{place.url} cannot be read: {error}") from error


def _table(holdings: Sequence[Holding], place: Place) -> list[str]:
    rows = [("MODEL", "BATCH", "ITEMS", "SIZE", "LAST USED", "FOLDER")]
    for holding in holdings:
        batch = str(holding.label.batch_size) if holding.label else "-"
        folder = holding.folder.removeprefix(f"{place.path}/")
        rows.append((_name(holding), batch, f"{holding.n_items:,}", size_shown(holding.n_bytes), _day(holding), folder))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numbers = {1, 2, 3}
    return [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _name(holding: Holding) -> str:
    return holding.label.model if holding.label else "unknown"


def _day(holding: Holding) -> str:
    return datetime.fromtimestamp(holding.used).strftime("%Y-%m-%d") if holding.used else "never"


def _n_models(holdings: Sequence[Holding]) -> str:
    return f"{len(holdings)} model{'' if len(holdings) == 1 else 's'}"


def _n_files(count: int) -> str:
    return f"{count or 'no'} file{'' if count == 1 else 's'}"


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 <= days < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days, such as 30")
    return days


def _bytes(text: str) -> float:
    n_bytes = size_read(text)
    if n_bytes is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size, such as 500MB or 20GB")
    return n_bytes
