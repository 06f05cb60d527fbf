"""`pytest-mieb compare`: the decision of a run, on two stored measurements."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_mieb.cli.sides import BASELINES, RefusalError, add_tasks, exiting_on_refusal

STDOUT = "-"
_HINT = "; a name right after --markdown is its FILE: put --markdown last"
_EPILOG = (
    "Exit codes: 0 no regression; 1 a regression; 6 no regression seen, but tasks without a verdict; 4 wrong usage. "
    "A and B are a results folder (mieb-results/MODEL), a recorded baseline (a name in baselines/ or the package, or a "
    ".yaml file) or a published model (pytest-mieb show lists them)."
)


def declare(commands: Any) -> None:
    parser = commands.add_parser(
        "compare",
        help="decide on two stored measurements as a run would",
        description="Compare the stored scores of B, the new side, with those of A, the old one, and decide as a run "
        "of pytest with --mieb-baseline=A would.",
        epilog=_EPILOG,
    )
    parser.add_argument("old", metavar="A", help="the old side")
    parser.add_argument("new", metavar="B", help="the new side")
    parser.add_argument(
        "--select",
        metavar="NAMES",
        help="suites (lite, eng), categories or tasks, with commas between, that must be there (default: B's tasks)",
    )
    parser.add_argument(
        "--tolerance",
        action="append",
        default=[],
        metavar="POINTS",
        help="smallest drop that matters (default: 0.5; half of it for means), or NAME=POINTS for a category, a task, "
        "or means; may be repeated",
    )
    parser.add_argument("--alpha", metavar="SHARE", help="chance of any false alarm (default: 0.05)")
    parser.add_argument("--policy", metavar="POLICY", help="significance (default) or non-inferiority")
    parser.add_argument(
        "--strict-context", action="store_true", help="no verdict where libraries, device or dtype differ"
    )
    add_tasks(parser)
    parser.add_argument("--all", action="store_true", help="show every task, not only those that changed")
    parser.add_argument(
        "--markdown",
        nargs="?",
        const=STDOUT,
        metavar="FILE",
        help="write the table as GitHub's Markdown; without FILE (then put it last) print it in place of the table",
    )
    parser.add_argument("--junit", metavar="FILE", help="write the verdict as JUnit XML")
    parser.add_argument("--json", metavar="FILE", help="write the verdict as a run does in verdict.json")
    parser.set_defaults(run=exiting_on_refusal(run), command="compare", hint=_HINT)


def run(given: argparse.Namespace) -> int:
    from pytest_mieb.gate.decision import EXIT_CODES
    from pytest_mieb.gate.policy import parse_policy, refuse_unknown_tolerances
    from pytest_mieb.gate.stored import decide_stored, open_stored
    from pytest_mieb.report import comparison
    from pytest_mieb.report.view import of_stored
    from pytest_mieb.suite.cards import load_tasks

    tasks = load_tasks(map(Path, given.tasks))
    try:
        policy = parse_policy(given.policy, given.alpha, given.tolerance, strict_context=given.strict_context)
        refuse_unknown_tolerances(policy, tasks)
    except ValueError as error:
        raise RefusalError(str(error)) from error
    old, new = (open_stored(name, BASELINES, tasks) for name in (given.old, given.new))
    outcome = decide_stored(old, new, tasks, policy, given.select)
    view = of_stored(outcome)
    if given.json:
        from pytest_mieb.report.verdict_file import content

        _write(given.json, [_json(content(view))])
    if given.junit:
        from pytest_mieb.report.junit import junit

        _write(given.junit, [junit(view)])
    if given.markdown:
        _write(given.markdown, comparison.markdown(view, everything=given.all))
    if given.markdown != STDOUT:
        _write(STDOUT, comparison.text(view, everything=given.all))
    return EXIT_CODES[outcome.decision.state]


def _json(content: Any) -> str:
    import json

    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)


def _write(file: str, lines: Sequence[str]) -> None:
    text = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
    if file == STDOUT:
        sys.stdout.write(text)
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise RefusalError(
            f"{file}: cannot be written ({error.strerror}); give a file in a folder that is there"
        ) from error
