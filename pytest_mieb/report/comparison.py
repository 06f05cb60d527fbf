"""Two measurements side by side, as lines: for a terminal, or as GitHub's Markdown."""

from __future__ import annotations

from pytest_mieb.gate.statistics.interval import CONFIDENCE
from pytest_mieb.report.table import aligned, github
from pytest_mieb.report.view import MeasurementFacts, Row, View, basis_lines, by_reason
from pytest_mieb.support.numbers import between, counted, p_value, percent, points

_KINDS = {"run": "run", "results": "results", "recorded": "recorded baseline", "published": "published scores"}
_DROP = f"drop, {100 * CONFIDENCE:g} %"


def text(view: View, *, everything: bool = False) -> list[str]:
    """For a terminal: the tasks that changed, or all with `everything`, the means, and what is to be known of them."""
    lines = [
        *(f"{name}  {_described(facts)}" for name, facts in _old_and_new(view)),
        *view.preprocessing,
        "",
        view.headline,
    ]
    for table in _tables(view, everything):
        lines += ["", *aligned(table, left=2)]
    return lines + [line for section in _sections(view) if section for line in ("", *section)]


def markdown(view: View, *, everything: bool = False) -> list[str]:
    """The same, to be pasted into a pull request."""
    (_, old), (_, new) = _old_and_new(view)
    lines = [f"### MIEB: `{new.name}` against `{old.name}`", "", f"**{view.headline}**"]
    lines += [line for change in view.preprocessing for line in ("", change)]
    for table in _tables(view, everything):
        bold = [("**regressed**" if verdict == "regressed" else verdict, *rest) for verdict, *rest in table]
        lines += ["", *github(bold, left=2)]
    notes = [f"{name}: {_described(facts)}" for name, facts in _old_and_new(view)]
    notes += [note for section in _sections(view) for note in section]
    return [*lines, "", *(f"- {note}" for note in notes)]


def _old_and_new(view: View) -> list[tuple[str, MeasurementFacts]]:
    assert view.old is not None
    return [("old", view.old), ("new", view.new)]


def _described(facts: MeasurementFacts) -> str:
    parts = [
        f"{_KINDS[facts.kind]} of {facts.model}",
        f"revision {facts.revision[:12]}" if facts.revision else "",
        f"{facts.data} data",
        facts.date,
        counted(facts.tasks, "task"),
    ]
    return f"{facts.name}: {', '.join(filter(None, parts))}"


def _tables(view: View, everything: bool) -> list[list[tuple[str, ...]]]:
    """The tasks and the means, as far as there are any, in percent; `drop` is the confidence interval, `bound` the
    upper one by which non-inferiority decides."""
    assert view.basis is not None
    by_bound = view.basis.policy.kind == "non-inferiority"
    chance = "bound" if by_bound else "p"
    heading = ("verdict", "name", "old", "new", "change", _DROP, chance, "tolerance", "detectable")
    tables = (view.changes(everything=everything), view.verdicts_by_group)
    return [[heading, *((row.status, row.title, *_numbers(row, by_bound)) for row in rows)] for rows in tables if rows]


def _numbers(row: Row, by_bound: bool) -> tuple[str, ...]:
    if (found := row.compared) is None:
        return ("-",) * 7
    p = "-" if row.p_value is None else p_value(row.p_value)
    return (
        percent(found.baseline),
        percent(found.score),
        points(found.change),
        between(*found.interval) if found.interval else "-",
        _percent(found.bound) if by_bound else p,
        _percent(row.tolerance),
        _percent(row.detectable),
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else percent(value)


def _sections(view: View) -> list[list[str]]:
    """In which languages tasks lost; what fails nothing yet, and until when and why; why tasks have no verdict, a line
    a reason; and what the verdicts rest on."""
    return [
        [f"{task.name}: {task.blame}" for task in view.tasks if task.blame],
        [
            *(f"{task.name}: {task.acceptance_note}" for task in view.tasks if task.acceptance_note),
            *(f"{mean.name}: {mean.acceptance_note}" for mean in view.judged if mean.acceptance_note),
        ],
        [*by_reason("no verdict", view.incomplete), *by_reason("not compared", view.unusable)],
        basis_lines(view),
    ]
