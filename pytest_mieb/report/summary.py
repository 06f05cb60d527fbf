"""The one section at the end of a run, as lines: regressions first, the next command last."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from pytest_mieb.gate.comparison import Pair
from pytest_mieb.gate.policy import judged_means
from pytest_mieb.gate.statistics.interval import CONFIDENCE
from pytest_mieb.gate.verdict import Verdict, acceptance_of, blame, other_than_scores, shown_interval
from pytest_mieb.report.run import Run
from pytest_mieb.report.table import aligned
from pytest_mieb.suite.means import GROUPS, MEAN_EN, MEAN_M, group_of, means
from pytest_mieb.support.numbers import percent, points

_SHOWN = 20


def summary_lines(run: Run) -> list[str]:
    """The section, top to bottom: what went wrong, the table, the means, what to do next."""
    return [
        *run.notes,
        *_regressions(run),
        *_accepted(run),
        *_named(_suspected(run), _suspects(run)),
        *_named("errors", [name for name in run.tasks if name in run.errors]),
        *_named("did not run", run.not_run),
        *_named("in the baseline, but not applicable now", _lost(run)),
        *_table(run),
        *_means(run),
        *_named("improved", _changed(run, "improved"), blank=False),
        *_skipped(run),
        *_calibration(run),
        *_named(
            "measured on a part of the data", [each.task for each in run.ordered if each.measured.part], blank=False
        ),
        *_named(
            "part of the data does not fit, see the warnings or the result files",
            [each.task for each in run.ordered if each.findings],
            blank=False,
        ),
        *_standing(run),
        *_basis(run),
        *(run.model.lines if run.model and run.records else ()),
        *_work(run),
        *_spent(run),
        *_next(run),
    ]


def _verdicts(run: Run) -> Mapping[str, Verdict]:
    return run.decision.verdicts if run.decision else {}


def _regressions(run: Run) -> list[str]:
    if run.decision is None:
        return []
    lines = []
    for mean in run.decision.means:
        if mean.status == "regressed" and mean.pair:
            lines.append(f"  {mean.name}, {mean.tasks} tasks: {_moved(mean.pair)}{_then(mean.without)}")
    for name, verdict in run.decision.verdicts.items():
        if verdict.failure and verdict.pair:
            late = ", by Holm's procedure" if name in run.decision.regressed_by_holm else ""
            over = f"was accepted until {verdict.accepted.until}" if verdict.accepted else None
            lines.append(f"  {name}: {_moved(verdict.pair)}{late}{_then(blame(verdict), over)}")
    changes = {each.preprocessing: None for each in run.comparisons.values() if each.preprocessing}
    return [*changes, f"regressed ({len(lines)}):", *lines, ""] if lines else []


def _accepted(run: Run) -> list[str]:
    """Regressions that fail nothing yet, and those that are accepted and gone."""
    lines, gone = [], []
    for mean in run.decision.means if run.decision else ():
        if mean.status == "accepted" and mean.pair:
            change = points(mean.pair.score - mean.pair.baseline)
            scores = f"{percent(mean.pair.score)} from {percent(mean.pair.baseline)} ({change})"
            lines.append(f"  {mean.name}, {mean.tasks} tasks: {scores}{_then(mean.without)}")
    for name, verdict in _verdicts(run).items():
        sentence = acceptance_of(verdict)
        if sentence and verdict.recovered:
            gone.append(f"  {name}: {sentence}")
        elif sentence and verdict.pair:
            lines.append(f"  {name}: {_moved(verdict.pair)}{_then(blame(verdict), sentence)}")
    return [*([f"accepted ({len(lines)}):", *lines, ""] if lines else ()), *([*gone, ""] if gone else ())]


def _then(*sentences: str | None) -> str:
    return "".join(f"; {sentence}" for sentence in sentences if sentence)


def _moved(pair: Pair) -> str:
    change = points(pair.score - pair.baseline)
    found = shown_interval(pair.difference)
    within = f"{100 * CONFIDENCE:g} % interval of the drop {found}, " if found else ""
    fits = pair.difference.fits
    over = f"over {fits} fits that start alike {points(-pair.difference.drop)}, " if fits else ""
    chance = f"p = {pair.difference.p_drop:.1g}"
    return f"{percent(pair.score)} from {percent(pair.baseline)} ({change}), {over}{within}{chance}"


def _lost(run: Run) -> list[str]:
    return [name for name in run.incomplete if name in run.skipped] if run.decision else []


def _suspected(run: Run) -> str:
    count = run.decision.family.size if run.decision else 0
    return f"suspect, worse alone, but not after correcting for {count} comparisons"


def _suspects(run: Run) -> list[str]:
    means = run.decision.means if run.decision else ()
    return [
        *(f"{m.name} {points(m.pair.score - m.pair.baseline)}" for m in means if m.status == "suspect" and m.pair),
        *_changed(run, "suspect"),
    ]


def _changed(run: Run, status: str) -> list[str]:
    return [
        f"{name} {points(verdict.pair.score - verdict.pair.baseline)}"
        for name, verdict in _verdicts(run).items()
        if verdict.status == status and verdict.pair
    ]


def _named(title: str, names: Sequence[str], *, blank: bool = True) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{title} ({len(names)}): {', '.join(names[:_SHOWN])}{more}", *([""] if blank else [])]


def _table(run: Run) -> list[str]:
    """A row a category: its mean, the baseline's, and the smallest drop that would have been found."""
    scores = {name: record.score for name, record in run.records.items()}
    if not scores:
        return []
    scored = [run.tasks[name] for name in scores]
    found = means(scored, scores)
    judged = {mean.name: mean for mean in run.decision.means} if run.decision else {}
    old = _baseline_scores(run)
    rows = [("category", "tasks", "mean", "baseline", "change", "detectable")]
    for group in GROUPS:
        if group not in found:
            continue
        members = [task for task in scored if group_of(task) == group]
        before, change = "-", "-"
        if old and all(task.name in old for task in members):
            mean = means(members, old)[group]
            before, change = percent(mean), points(found[group] - mean)
        drop = judged[group].detectable if group in judged else None
        if drop is None and len(members) == 1 and members[0].name in _verdicts(run):
            drop = _verdicts(run)[members[0].name].detectable
        shown = "-" if drop is None else percent(drop)
        rows.append((group, str(len(members)), percent(found[group]), before, change, shown))
    if all(row[-1] in ("-", "detectable") for row in rows):
        rows = [row[:-1] for row in rows]  # type: ignore[misc]
    return aligned(rows)


def _means(run: Run) -> list[str]:
    """Mean (en) and Mean (m) over the whole suite, or over MIEB-lite where not all of it was selected."""
    selected = run.selected or set(run.records)
    if not run.records or not any(run.tasks[name].suites for name in selected):
        return []
    lite = [task for task in run.tasks.values() if "lite" in task.suites]
    whole = judged_means(selected, run.tasks)
    scores = {name: record.score for name, record in run.records.items()}
    judged = {mean.name: mean for mean in run.decision.means} if run.decision else {}
    old = _baseline_scores(run)
    lines = [""]
    for label in (MEAN_EN, MEAN_M):
        suite = [run.tasks[name] for name in whole[label]] if label in whole else lite
        title = " of MIEB-lite" if all("lite" in task.suites for task in suite) else ""
        now, before = means(suite, scores).get(label), means(suite, old).get(label)
        shown = "incomplete" if now is None else percent(now)
        against = "" if now is None or before is None else f", baseline {percent(before)} ({points(now - before)})"
        drop = judged[label].detectable if label in judged else None
        found = f"; a drop of {percent(drop)} would be found" if drop is not None and against else ""
        lines.append(f"{label}{title}: {shown}{against}{found}")
    return lines


def _skipped(run: Run) -> list[str]:
    reasons: dict[str, int] = {}
    for reason in run.skipped.values():
        reasons[reason] = reasons.get(reason, 0) + 1
    return [f"not applicable ({count}): {reason}" for reason, count in reasons.items()]


def _calibration(run: Run) -> list[str]:
    moved = {name: record.measured.noise for name, record in run.records.items() if record.measured.noise}
    if not moved:
        return []
    widest = sorted(moved, key=lambda name: -moved[name])[:5]
    shown = ", ".join(f"{name} {percent(moved[name])}" for name in widest)
    return [f"calibration: {len(moved)} of {len(run.records)} tasks moved under changes that must not matter: {shown}"]


def _standing(run: Run) -> list[str]:
    """Ranks among the published models; scores on the miniature, or on a part of the data, have none."""
    if not run.records or not run.published_data:
        return []
    from pytest_mieb.gate.standing import standing, standing_lines

    scores = {name: record.score for name, record in run.records.items() if not record.measured.part}
    own = [task for task in run.tasks.values() if task.suites and task.name in run.selected]
    return standing_lines(standing(scores, own, leave_out=run.model_name)) if own else []


def _basis(run: Run) -> list[str]:
    """What the verdicts rest on, and what is to be known of them."""
    if run.decision is None or run.baseline is None or not run.comparisons:
        moved = run.context.canary if run.context else ()
        known = "warning: this environment is not the one that the package knows"
        return [f"{known}, at {', '.join(moved)}; python -m pytest_mieb.canary shows how far"] if moved else []
    family = run.decision.family
    counts = {"tasks": family.tasks, "languages": family.subsets, "means": family.means}
    parts = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    drops = [verdict.detectable for verdict in run.decision.verdicts.values() if verdict.detectable is not None]
    found = "no outcome differs from the baseline's"
    if drops:
        found = (
            f"the smallest drop found in a task is {percent(min(drops))} to {percent(max(drops))}, "
            f"{percent(median(drops))} in the median"
        )
    lines = [f"verdict: {run.policy.kind} at {100 * run.policy.alpha:g} % ({parts}); {found}"]
    if run.baseline.indicative:
        lines.append(
            f"indicative: the scores of {run.baseline.model} were published without outcomes and partly on earlier "
            "revisions of the data; record a baseline of your own for a verdict to rely on"
        )
        reasons = Counter(reason for name, reason in run.baseline.unusable.items() if name in run.records)
        lines += [f"not compared ({count}): {reason}" for reason, count in reasons.items()]
    lines += other_than_scores(run.comparisons)
    warnings = Counter(sentence for each in run.comparisons.values() for sentence in each.warnings)
    lines += [f"warning: {sentence}" for sentence in warnings]
    return lines


def _work(run: Run) -> list[str]:
    if not run.records:
        return []
    embedded = sum(record.embedded for record in run.records.values())
    reused = sum(record.reused for record in run.records.values())
    lines = [f"embedded {embedded:,} items, {reused:,} taken from the store"]
    over = sum(record.taken_over for record in run.records.values())
    if over:
        tasks = f"{over} of {len(run.records)} tasks"
        lines.append(f"{tasks} taken over from an earlier run, for nothing has changed; --mieb-fresh does all again")
    return lines


def _spent(run: Run) -> list[str]:
    if not run.spent:
        return []
    from pytest_mieb.models.api import dollars

    spent, unsure = (sum(amounts) for amounts in zip(*run.spent.values(), strict=True))
    more = f", and up to {dollars(unsure)} on requests without an answer" if unsure else ""
    return [f"spent {dollars(spent)}{more}"]


def _next(run: Run) -> list[str]:
    failed = {name for name, verdict in _verdicts(run).items() if verdict.failure}
    again = [name for name in run.tasks if name in {*failed, *run.errors, *run.not_run}]
    if again:
        expression = " or ".join(again[:_SHOWN])
        more = f"   # the first {_SHOWN} of {len(again)}" if len(again) > _SHOWN else ""
        return [f"next: {command(run.args, drop=('-k', '--mieb-update'))} -k {shlex.quote(expression)}{more}"]
    if run.records and run.baseline is None and "--mieb-update" not in run.args:
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
    """But for tasks that do not compare with the baseline's, of which a change would say nothing."""
    old = run.baseline.tasks if run.baseline else {}
    return {name: mark.score for name, mark in old.items() if name not in run.errors}
