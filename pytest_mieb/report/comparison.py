"""Two measurements side by side, as lines: for a terminal, or as GitHub's Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_mieb.gate.statistics.interval import CONFIDENCE
from pytest_mieb.report.table import aligned, github
from pytest_mieb.report.view import Row, Side, View
from pytest_mieb.support.numbers import between, counted, p_value, percent, points

_KINDS = {"run": "run", "results": "results", "recorded": "recorded baseline", "published": "published scores"}
_DROP = f"drop, {100 * CONFIDENCE:g} %"
_SHOWN = 10


def text(view: View, *, everything: bool = False) -> list[str]:
    """For a terminal: the tasks that changed, or all with `everything`, the means, and what is to be known of them."""
    lines = [*(f"{name}  {_side(side)}" for name, side in _sides(view)), *view.preprocessing, "", view.headline]
    for table in _tables(view, everything):
        lines += ["", *aligned(table, left=2)]
    return lines + [line for section in _sections(view) if section for line in ("", *section)]


def markdown(view: View, *, everything: bool = False) -> list[str]:
    """The same, to be pasted into a pull request."""
    (_, old), (_, new) = _sides(view)
    lines = [f"### MIEB: `{new.name}` against `{old.name}`", "", f"**{view.headline}**"]
    lines += [line for change in view.preprocessing for line in ("", change)]
    for table in _tables(view, everything):
        bold = [("**regressed**" if verdict == "regressed" else verdict, *rest) for verdict, *rest in table]
        lines += ["", *github(bold, left=2)]
    notes = [f"{name}: {_side(side)}" for name, side in _sides(view)]
    notes += [note for section in _sections(view) for note in section]
    return [*lines, "", *(f"- {note}" for note in notes)]


def _sides(view: View) -> list[tuple[str, Side]]:
    assert view.old is not None
    return [("old", view.old), ("new", view.new)]


def _side(side: Side) -> str:
    facts = [
        f"{_KINDS[side.kind]} of {side.model}",
        f"revision {side.revision[:12]}" if side.revision else "",
        f"{side.data} data",
        side.date,
        counted(side.tasks, "task"),
    ]
    return f"{side.name}: {', '.join(filter(None, facts))}"


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
            *(f"{task.name}: {task.accepted}" for task in view.tasks if task.accepted),
            *(f"{mean.name}: {mean.without}" for mean in view.judged if mean.without),
        ],
        [*_by_reason("no verdict", view.incomplete), *_by_reason("not compared", view.unusable)],
        _basis(view),
    ]


def _by_reason(title: str, reasons: Mapping[str, str]) -> list[str]:
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(" ".join(reason.split()), []).append(name)
    return [f"{title} ({len(own)}): {_listed(own)}: {reason}" for reason, own in names.items()]


def _basis(view: View) -> list[str]:
    """By what was decided, what could have been found, and what is to be known of the two sides."""
    basis, (_, old) = view.basis, _sides(view)[0]
    assert basis is not None
    policy, family = basis.policy, basis.family
    counts = {"tasks": family.tasks, "subsets": family.subsets, "means": family.means}
    parts = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    if basis.detectable:
        found = (
            f"the smallest detectable drop of a task is {between(basis.detectable.least, basis.detectable.largest)}, "
            f"{percent(basis.detectable.median)} in the median"
        )
    else:
        reason = "no sampling error is known" if basis.error_unknown else "no outcome changed"
        found = f"the smallest detectable drop cannot be told, for {reason}"
    lines = [f"decided by {policy.kind} at {100 * policy.alpha:g} % ({parts}); {found}"]
    lines += [
        f"indicative: the scores of {side.model} were published without outcomes and partly on earlier revisions of "
        "the data"
        for _, side in _sides(view)
        if side.kind == "published"
    ]
    if basis.error_unknown:
        tasks = counted(basis.error_unknown, "task")
        lines.append(f"no sampling error is known of {tasks}: there every drop beyond tolerance and drift counts")
    if view.left_out:
        lines.append(
            f"{old.name} has {counted(len(view.left_out), 'task')} more than was asked for: "
            f"{_listed(view.left_out)}; --select names those that must be there"
        )
    return [*lines, *basis.by_fits, *(f"warning: {sentence}" for sentence in basis.warnings)]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
