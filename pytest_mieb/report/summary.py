"""The one section at the end of a run, as lines: regressions first, the next command last."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_mieb.gate.standing import standing_lines
from pytest_mieb.gate.statistics.interval import CONFIDENCE
from pytest_mieb.models.api import dollars
from pytest_mieb.report.table import aligned
from pytest_mieb.report.view import Compared, MeanRow, Row, RunFacts, View, basis_lines, by_reason, listed, with_status
from pytest_mieb.support.numbers import beside, between, p_is, percent, points
from pytest_mieb.support.seconds import Seconds

_SHOWN, _SLOWEST = 20, 5


def summary_lines(view: View) -> list[str]:
    """The section, top to bottom: what went wrong, the table, the means, what to do next."""
    run = view.run
    assert run is not None
    return [
        *view.notes,
        *_regressions(view),
        *_accepted(view),
        *_suspects(view),
        *_named("errors", run.errors),
        *_named("did not run", run.not_run),
        *_named("in the baseline, but not applicable now", run.no_longer_applicable),
        *_table(view),
        *_means(view),
        *_named("improved", _changes(view, "improved"), blank=False),
        *by_reason("not applicable", view.not_applicable),
        *by_reason("not compared", view.unusable),
        *_noise(view, run),
        *_named("measured on a part of the data", run.partial, blank=False),
        *_named("part of the data does not fit, see the warnings or the result files", run.unfit, blank=False),
        *run.died,
        *(standing_lines(run.standing) if run.standing else ()),
        *basis_lines(view),
        *(() if view.basis and view.basis.compared else _canary(run)),
        *run.model,
        *_work(view, run),
        *_time(run),
        *_spent(run),
        *([f"next: {run.next_command}"] if run.next_command else ()),
    ]


def _regressions(view: View) -> list[str]:
    means = with_status(view.judged, "regressed")
    lines = [f"  {mean.title}: {_moved(mean)}{_then(mean.acceptance_note)}" for mean in means]
    for task in view.failed:
        procedure = ", significant by Holm's procedure" if task.regressed_by_holm else ""
        over = f"its acceptance ended on {task.acceptance.until}" if task.acceptance else None
        lines.append(f"  {task.name}: {_moved(task)}{procedure}{_then(task.blame, over)}")
    return [*view.preprocessing, f"regressed ({len(lines)}):", *lines, ""] if lines else []


def _accepted(view: View) -> list[str]:
    """Regressions that fail nothing yet, and those that are accepted and gone."""
    means = with_status(view.judged, "accepted")
    lines = [f"  {mean.title}: {_change(mean)}{_then(mean.acceptance_note)}" for mean in means]
    lines += [f"  {task.name}: {_moved(task)}{_then(task.blame, task.acceptance_note)}" for task in view.accepted]
    gone = [f"  {task.name}: {task.acceptance_note}" for task in view.recovered]
    return [*([f"accepted ({len(lines)}):", *lines, ""] if lines else ()), *([*gone, ""] if gone else ())]


def _suspects(view: View) -> list[str]:
    count = view.basis.family.size if view.basis else 0
    title = f"suspect, worse alone, but not after correcting for {count} comparisons"
    return _named(title, _changes(view, "suspect"))


def _then(*sentences: str | None) -> str:
    return "".join(f"; {sentence}" for sentence in sentences if sentence)


def _compared(row: Row) -> Compared:
    assert row.compared, f"{row.name} has a verdict, which rests on a comparison"
    return row.compared


def _change(row: Row) -> str:
    found = _compared(row)
    return beside(found.score, found.baseline)


def _moved(row: Row) -> str:
    found = _compared(row)
    within = ""
    if found.interval:
        within = f"{100 * CONFIDENCE:g} % confidence interval of the drop {between(*found.interval)}, "
    over = f"mean over {found.fits} fits {points(-found.drop)}, " if found.fits else ""
    p = "no sampling error is known" if found.p_drop is None else p_is(found.p_drop)
    return f"{_change(row)}, {over}{within}{p}"


def _changes(view: View, status: str) -> list[str]:
    """The means with this verdict, then the tasks."""
    rows = [*with_status(view.judged, status), *with_status(view.tasks, status)]
    return [f"{row.name} {points(_compared(row).change)}" for row in rows]


def _named(title: str, names: Sequence[str], *, blank: bool = True) -> list[str]:
    if not names:
        return []
    return [f"{title} ({len(names)}): {listed(names, _SHOWN)}", *([""] if blank else [])]


def _table(view: View) -> list[str]:
    """A row a category: its mean, the baseline's, and the smallest drop that would have been found."""
    rows = [("category", "tasks", "mean", "baseline", "change", "detectable")]
    for row in view.groups:
        if row.score is not None:
            old, change = "-", "-"
            if row.baseline is not None:
                old, change = percent(row.baseline), points(row.score - row.baseline)
            drop = "-" if row.detectable is None else percent(row.detectable)
            rows.append((row.name, str(row.scored), percent(row.score), old, change, drop))
    if all(row[-1] in ("-", "detectable") for row in rows):
        rows = [row[:-1] for row in rows]  # type: ignore[misc]
    return aligned(rows) if len(rows) > 1 else []


def _means(view: View) -> list[str]:
    return ["", *map(_mean, view.overall)] if view.scored and view.overall else []


def _mean(row: MeanRow) -> str:
    title = f"{row.name}{' of MIEB-lite' if row.suite == 'MIEB-lite' else ''}"
    if row.score is None:
        return f"{title}: incomplete"
    if row.baseline is None:
        return f"{title}: {percent(row.score)}"
    found = "" if row.detectable is None else f"; the smallest detectable drop is {percent(row.detectable)}"
    return f"{title}: {beside(row.score, row.baseline)}{found}"


def _noise(view: View, run: RunFacts) -> list[str]:
    if not run.noise:
        return []
    shown = ", ".join(f"{name} {percent(moved)}" for name, moved in list(run.noise.items())[:5])
    return [f"calibration: {len(run.noise)} of {view.scored} tasks moved under changes that must not matter: {shown}"]


def _canary(run: RunFacts) -> list[str]:
    if not run.canary:
        return []
    where = ", ".join(run.canary)
    return [f"warning: the canary differs from the package's at {where}; python -m pytest_mieb.canary shows how far"]


def _work(view: View, run: RunFacts) -> list[str]:
    if not view.scored:
        return []
    lines = [f"{run.embedded:,} items were embedded, {run.reused:,} were taken from the store"]
    if run.taken_over:
        tasks = f"{run.taken_over} of {view.scored} tasks"
        lines.append(
            f"{tasks} were taken over from an earlier run, because nothing has changed; --mieb-fresh scores all again"
        )
    return lines


def _time(run: RunFacts) -> list[str]:
    """The slowest tasks, and what the time of all of them went to."""
    if not run.seconds:
        return []
    total = sum(run.seconds.values(), Seconds())
    shares = {name: seconds / total.total for name, seconds in total.by_clock.items() if seconds}
    parts = (f"{name} {100 * share:.0f} %" for name, share in sorted(shares.items(), key=lambda each: -each[1]))
    slowest = (f"{name} {seconds.total:.1f} s" for name, seconds in list(run.seconds.items())[:_SLOWEST])
    return [f"the tasks took {total.total:.1f} s: {', '.join(parts)}", f"the slowest tasks: {', '.join(slowest)}"]


def _spent(run: RunFacts) -> list[str]:
    if not run.spent:
        return []
    answered, unsure = run.spent
    more = f", and up to {dollars(unsure)} on requests without an answer" if unsure else ""
    return [f"spent {dollars(answered)}{more}"]
