"""The one section at the end of a run, as lines: regressions first, the next command last."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from pytest_mieb.gate.verdict import Verdict, percent, points
from pytest_mieb.report.means import group_means, group_of, groups, mean_en, mean_m
from pytest_mieb.report.run import Run

_SHOWN = 20


def summary_lines(run: Run) -> list[str]:
    """The section, top to bottom: what went wrong, the table, the means, what to do next."""
    verdicts = run.verdicts
    return [
        *run.notes,
        *_regressions(run, verdicts),
        *_named("errors", sorted(run.errors)),
        *_named("did not run", run.not_run),
        *_table(run),
        *_means(run),
        *_improvements(verdicts),
        *_skipped(run),
        *(run.model.lines if run.model and run.records else ()),
        *_work(run),
        *_next(run, verdicts),
    ]


def _regressions(run: Run, verdicts: Mapping[str, Verdict]) -> list[str]:
    lines = []
    for name, verdict in verdicts.items():
        languages = [subset for subset, each in verdict.subsets.items() if each.outcome == "regressed"]
        if verdict.outcome != "regressed" and not languages:
            continue
        mark = verdict.baseline
        against = f" from {percent(mark.score)} ({points(verdict.score - mark.score)})" if mark else ""
        within = f"; in {', '.join(languages)}" if languages else ""
        lines.append(f"  {name}: {percent(verdict.score)}{against}{within}")
    return [f"regressed ({len(lines)}):", *lines, ""] if lines else []


def _named(title: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{title} ({len(names)}): {', '.join(names[:_SHOWN])}{more}", ""]


def _table(run: Run) -> list[str]:
    scores = {name: record.score for name, record in run.records.items()}
    if not scores:
        return []
    scored = [run.tasks[name] for name in scores]
    means = group_means(scored, scores)
    old = _baseline_scores(run)
    both = [task for task in scored if task.name in old]
    rows = [("category", "tasks", "mean", "baseline", "change")]
    for group in groups():
        if group not in means:
            continue
        members = [task for task in scored if group_of(task) == group]
        known = [task for task in both if group_of(task) == group]
        if old and len(known) == len(members):
            before = group_means(known, old)[group]
            rows.append(
                (group, str(len(members)), percent(means[group]), percent(before), points(means[group] - before))
            )
        else:
            rows.append((group, str(len(members)), percent(means[group]), "-", "-"))
    return _aligned(rows)


def _means(run: Run) -> list[str]:
    """Mean (en) and Mean (m) over the whole suite, or over MIEB-lite where only that was selected."""
    benchmark = [task for task in run.tasks.values() if task.suites]
    selected = run.selected or set(run.records)
    if not run.records or selected.isdisjoint(task.name for task in benchmark):
        return []
    lite = [task for task in benchmark if "lite" in task.suites]
    whole = selected >= {task.name for task in benchmark}
    suite, title = (benchmark, "") if whole else (lite, " of MIEB-lite")
    scores = {name: record.score for name, record in run.records.items()}
    old = _baseline_scores(run)
    lines = [""]
    for label, mean in ((f"Mean (en){title}", mean_en), (f"Mean (m){title}", mean_m)):
        now, before = mean(suite, scores), mean(suite, old)
        shown = "incomplete" if now is None else percent(now)
        against = "" if now is None or before is None else f", baseline {percent(before)} ({points(now - before)})"
        lines.append(f"{label}: {shown}{against}")
    return lines


def _improvements(verdicts: Mapping[str, Verdict]) -> list[str]:
    better = {name: verdict for name, verdict in verdicts.items() if verdict.outcome == "improved"}
    if not better:
        return []
    named = [
        f"{name} {points(verdict.score - verdict.baseline.score)}"
        for name, verdict in better.items()
        if verdict.baseline
    ]
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return [f"improved ({len(named)}): {', '.join(named[:_SHOWN])}{more}"]


def _skipped(run: Run) -> list[str]:
    reasons: dict[str, int] = {}
    for reason in run.skipped.values():
        reasons[reason] = reasons.get(reason, 0) + 1
    return [f"not applicable ({count}): {reason}" for reason, count in reasons.items()]


def _work(run: Run) -> list[str]:
    if not run.records:
        return []
    embedded = sum(record.embedded for record in run.records.values())
    reused = sum(record.reused for record in run.records.values())
    return [f"embedded {embedded:,} items, {reused:,} taken from the store"]


def _next(run: Run, verdicts: Mapping[str, Verdict]) -> list[str]:
    failed = {
        name
        for name, verdict in verdicts.items()
        if verdict.failure or any(subset.failure for subset in verdict.subsets.values())
    }
    again = [name for name in run.tasks if name in {*failed, *run.errors, *run.not_run}]
    if again:
        expression = " or ".join(again[:_SHOWN])
        return [f"next: {command(run.args, drop=('-k', '--mieb-update'))} -k {shlex.quote(expression)}"]
    if verdicts and run.baseline is None and "--mieb-update" not in run.args:
        record = command(run.args, drop=("--mieb-baseline",))
        return [f"next: {record} --mieb-update   # to record these scores as the baseline"]
    return []


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


def _baseline_scores(run: Run) -> dict[str, float]:
    return {name: mark.score for name, mark in run.baseline.tasks.items()} if run.baseline else {}


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width, the first to the left and numbers to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
