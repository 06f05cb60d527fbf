"""The command line to go on with after a run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pytest_mieb.report.run import Run

_SHOWN = 20


def next_command(run: Run) -> str | None:
    """Runs the tasks again that failed or did not run, or records the scores of a run that was compared with nothing;
    None where neither is to be done."""
    verdicts = run.decision.verdicts if run.decision else {}
    failed = {name for name, verdict in verdicts.items() if verdict.failure}
    again = [name for name in run.tasks if name in {*failed, *run.errors, *run.not_run}]
    if again:
        expression = " or ".join(again[:_SHOWN])
        more = f"   # the first {_SHOWN} of {len(again)}" if len(again) > _SHOWN else ""
        return f"{command(run.args, drop=('-k', '--mieb-update'))} -k {shlex.quote(expression)}{more}"
    if run.records and run.baseline is None and "--mieb-update" not in run.args:
        record = command(run.args, drop=("--mieb-baseline",))
        return f"{record} --mieb-update   # to record these scores as the baseline"
    return None


def command(args: Sequence[str], drop: Sequence[str]) -> str:
    """The command line of a run without the options in `drop`, ready to be pasted."""
    kept: list[str] = []
    rest = iter(args)
    for argument in rest:
        name, joined, _ = argument.partition("=")
        if name in drop:
            if not joined and name != "--mieb-update":
                next(rest, None)
        elif not ("-k" in drop and argument.startswith("-k")):
            kept.append(argument)
    return shlex.join(["pytest", *kept])
