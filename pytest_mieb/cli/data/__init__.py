"""`pytest-mieb data`: what a selection needs of datasets, fetched into a mirror, checked, and cut down to a part."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pytest_mieb.cli.data import fetch, listing, pack, verify
from pytest_mieb.cli.data.choosing import exiting_on_trouble

_EPILOG = (
    "All of MIEB is estimated at 330 to 470 GB, MIEB-lite at 40 to 46 GB; `datasets` prepares a copy of what is not "
    "parquet, which takes as much again. Exit codes: 0 fine; 1 something is missing, damaged, or could not be had; 2 "
    "interrupted; 4 wrong usage."
)


def declare(commands: Any) -> None:
    parser = commands.add_parser(
        "data",
        help="list, fetch, verify or cut down the datasets that tasks need",
        description="The datasets that tasks need: without a further word, list them, a row a dataset.",
        epilog=_EPILOG,
    )
    actions = parser.add_subparsers(title="what to do", metavar="ACTION", dest="action")
    listed = actions.add_parser("list", help="print a row a dataset: sizes, licence, whether it is gated or there")
    fetched = actions.add_parser(
        "fetch",
        help="download a mirror, or what it lacks",
        description="Download into DIR what tasks read of their datasets, for --mieb-data=DIR. Every file is compared "
        "with the hash that the hub lists. What breaks off is gone on with by the same command.",
    )
    verified = actions.add_parser(
        "verify",
        help="compare every file of a mirror with its hash",
        description="Compare every file of a mirror with the hash that it was fetched by, without a network. With -m "
        "or -k, of what these select only, all of which must be there.",
    )
    packed = actions.add_parser(
        "pack",
        help="make a mirror of a part of another",
        description="Write a part of every dataset of the mirror DIR to the mirror OUT, for smoke tests with "
        "--mieb-data=OUT --mieb-sizes=any. The same seed gives the same bytes.",
    )
    for each, run in (
        (parser, listing.run),
        (listed, listing.run),
        (fetched, fetch.run),
        (verified, verify.run),
        (packed, pack.run),
    ):
        _declare_selection(each, ours=each is parser)
        each.set_defaults(run=exiting_on_trouble(run), command="data")
    for each in (parser, listed):
        default = None if each is parser else argparse.SUPPRESS
        each.add_argument("--in", dest="mirror", type=Path, default=default, metavar="DIR", help="look in this mirror")
        each.add_argument(
            "--json", action="store_true", default=default, help="print it for machines, with sizes in bytes"
        )
    for each in (fetched, verified, packed):
        each.add_argument("mirror", type=Path, metavar="DIR", help="the folder of the mirror")
    for each in (fetched, verified):
        each.add_argument("-j", "--jobs", type=_count, default=4, metavar="N", help="files at once (default: 4)")
    packed.add_argument("out", type=Path, metavar="OUT", help="the folder of the part, new or empty")
    size = packed.add_mutually_exclusive_group()
    size.add_argument("--share", type=_share, metavar="SHARE", help="of the rows of every split (default: 0.01)")
    size.add_argument("--rows", type=_count, metavar="N", help="rows of every split, or queries")
    packed.add_argument("--seed", type=int, default=0, metavar="N", help="of the choice (default: 0)")


def _declare_selection(parser: argparse.ArgumentParser, *, ours: bool) -> None:
    # A default of None below would hide what stood before the action.
    default = "" if ours else argparse.SUPPRESS
    parser.add_argument("-m", dest="markers", default=default, metavar="MARKEXPR", help="tasks by suite and category")
    parser.add_argument("-k", dest="keywords", default=default, metavar="EXPRESSION", help="tasks by parts of names")
    parser.add_argument(
        "--tasks",
        action="append",
        default=[] if ours else argparse.SUPPRESS,
        metavar="DIR",
        help="folder with further task cards",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share, such as 0.01; the whole is 1")
    return share
