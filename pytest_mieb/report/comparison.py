"""Two stored measurements side by side, as lines: for a terminal, or as GitHub's Markdown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from pytest_mieb.gate.comparison import Pair
from pytest_mieb.gate.statistics.interval import CONFIDENCE
from pytest_mieb.gate.statistics.significance import upper_bound
from pytest_mieb.gate.stored import Stored, StoredDecision
from pytest_mieb.gate.verdict import acceptance_of, blame, other_than_scores, shown_interval
from pytest_mieb.report.table import aligned, github
from pytest_mieb.suite.means import GROUPS, group_of
from pytest_mieb.support.numbers import percent, points

_ORDER = ("regressed", "accepted", "suspect", "improved", "incomplete", "passed")
_KINDS = {"results": "results", "recorded": "recorded baseline", "published": "published scores"}
_DROP = f"drop, {100 * CONFIDENCE:g} %"
_SHOWN = 10


class Row(NamedTuple):
    """One comparison in the table: a task, a subset of one, or a mean."""

    verdict: str
    name: str
    pair: Pair | None
    tolerance: float | None
    detectable: float | None


def text(found: StoredDecision, *, everything: bool = False) -> list[str]:
    """For a terminal: the tasks that changed, or all with `everything`, the means, and what is to be known of them."""
    lines = [
        f"old  {_side(found.old)}",
        f"new  {_side(found.new)}",
        *_preprocessing(found),
        "",
        headline(found),
    ]
    for rows in (task_rows(found, everything=everything), mean_rows(found)):
        if rows:
            lines += ["", *aligned(_cells(rows, found), left=2)]
    sections = [_languages(found), _accepted(found), _no_verdict(found), _known(found)]
    return lines + [line for section in sections if section for line in ("", *section)]


def markdown(found: StoredDecision, *, everything: bool = False) -> list[str]:
    """The same, to be pasted into a pull request."""
    lines = [
        f"### MIEB: `{found.new.name}` against `{found.old.name}`",
        "",
        f"**{headline(found)}**",
        *(line for change in _preprocessing(found) for line in ("", change)),
    ]
    for rows in (task_rows(found, everything=everything), mean_rows(found)):
        if rows:
            bold = [row._replace(verdict=f"**{row.verdict}**") if row.verdict == "regressed" else row for row in rows]
            lines += ["", *github(_cells(bold, found), left=2)]
    notes = [
        f"old: {_side(found.old)}",
        f"new: {_side(found.new)}",
        *_languages(found),
        *_accepted(found),
        *_no_verdict(found),
        *_known(found),
    ]
    return [*lines, "", *(f"- {note}" for note in notes)]


def headline(found: StoredDecision) -> str:
    """The state in a sentence."""
    decision = found.decision
    regressed = sum(bool(verdict.failure) for verdict in decision.verdicts.values())
    means = sum(mean.status == "regressed" for mean in decision.means)
    missing = f"{len(decision.incomplete)} of {_count(len(found.selected), 'task')} have no verdict"
    if decision.state == "regressed":
        of_means = f" and {means} of {_count(len(decision.means), 'mean')}" if decision.means else ""
        beside = f"; {missing}" if decision.incomplete else ""
        return f"regressed: {regressed} of {_count(len(decision.verdicts), 'task')}{of_means}{beside}"
    if decision.state == "incomplete":
        return f"incomplete: no regression seen, but {missing}"
    accepted = sum("accepted" in verdict.statuses for verdict in decision.verdicts.values())
    but = f" but {accepted} that {'is' if accepted == 1 else 'are'} accepted" if accepted else ""
    return f"passed: no regression in {_count(len(decision.verdicts), 'task')}{but}"


def task_rows(found: StoredDecision, *, everything: bool) -> list[Row]:
    """The tasks that changed: regressed, suspect, improved, the largest change first; with `everything` all tasks,
    those that did not change last. Subsets that changed stand among them, suspect ones only with `everything`.
    """
    rows = []
    silent = ("passed",) if everything else ("passed", "suspect")
    for name, verdict in found.decision.verdicts.items():
        if everything or verdict.status != "passed":
            tolerance = found.comparisons[name].tolerance
            rows.append(Row(verdict.status, name, verdict.pair, tolerance, verdict.detectable))
        rows += [
            Row(each.status, f"{name} [{subset}]", each.pair, None, each.detectable)
            for subset, each in verdict.subsets.items()
            if each.status not in silent
        ]
    return sorted(rows, key=lambda row: (_ORDER.index(row.verdict), _size(row)))


def mean_rows(found: StoredDecision) -> list[Row]:
    """The categories, in order, then Mean (en) and Mean (m); a category of a single task is that task."""
    decision, single = found.decision, {group_of(found.tasks[name]): name for name in found.selected}
    rows = {}
    for mean in decision.means:
        title = f"{mean.name}, {mean.tasks} tasks"
        rows[mean.name] = Row(mean.status, title, mean.pair, mean.tolerance, mean.detectable)
    for group, name in single.items():
        verdict = decision.verdicts.get(name)
        if group not in rows and verdict:
            tolerance = found.comparisons[name].tolerance
            rows[group] = Row(verdict.status, f"{group}, 1 task", verdict.pair, tolerance, verdict.detectable)
    return [rows[name] for name in dict.fromkeys([*GROUPS, *rows]) if name in rows]


def _size(row: Row) -> float:
    """Large drops sort first, among what improved large gains; what passed keeps its place."""
    if row.pair is None or row.verdict == "passed":
        return 0.0
    return row.pair.difference.drop if row.verdict == "improved" else -row.pair.difference.drop


def _cells(rows: Iterable[Row], found: StoredDecision) -> list[tuple[str, ...]]:
    """In percent; `drop` is the confidence interval, `bound` the upper one by which non-inferiority decides."""
    strict = found.policy.kind == "non-inferiority"
    table: list[tuple[str, ...]] = [
        (*("verdict", "name", "old", "new", "change", _DROP), "bound" if strict else "p", "tolerance", "detectable")
    ]
    for verdict, name, pair, tolerance, detectable in rows:
        numbers: tuple[str, ...] = ("-",) * 5
        if pair:
            change = points(pair.score - pair.baseline)
            within = shown_interval(pair.difference) or "-"
            numbers = percent(pair.baseline), percent(pair.score), change, within, _chance(verdict, pair, found)
        table.append((verdict, name, *numbers, _percent(tolerance), _percent(detectable)))
    return table


def _chance(verdict: str, pair: Pair, found: StoredDecision) -> str:
    difference = pair.difference
    if found.policy.kind == "non-inferiority":
        return percent(upper_bound(difference, found.policy.alpha))
    if not difference.standard_error and difference.drop:
        return "-"  # nothing is known of chance
    return f"{difference.p_gain if verdict == 'improved' else difference.p_drop:.1g}"


def _percent(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else percent(value)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _side(stored: Stored) -> str:
    baseline = stored.baseline
    facts = [
        f"{_KINDS[stored.kind]} of {baseline.model}",
        f"revision {baseline.revision[:12]}" if baseline.revision else "",
        f"{baseline.data} data",
        baseline.date,
        _count(len(baseline.tasks), "task"),
    ]
    return f"{stored.name}: {', '.join(filter(None, facts))}"


def _preprocessing(found: StoredDecision) -> list[str]:
    return list(dict.fromkeys(each.preprocessing for each in found.comparisons.values() if each.preprocessing))


def _languages(found: StoredDecision) -> list[str]:
    """In which languages a task lost, a line a task."""
    blamed = {name: blame(verdict) for name, verdict in found.decision.verdicts.items()}
    return [f"{name}: {sentence}" for name, sentence in blamed.items() if sentence]


def _accepted(found: StoredDecision) -> list[str]:
    """What fails nothing yet, and until when and why; in a mean it counts as unchanged."""
    sentences = {name: acceptance_of(verdict) for name, verdict in found.decision.verdicts.items()}
    sentences |= {mean.name: mean.without for mean in found.decision.means}
    return [f"{name}: {sentence}" for name, sentence in sentences.items() if sentence]


def _no_verdict(found: StoredDecision) -> list[str]:
    """Why tasks have no verdict, a line a reason."""
    return [
        *_by_reason("no verdict", found.decision.incomplete),
        *_by_reason("not compared", found.unusable),
    ]


def _by_reason(title: str, reasons: Mapping[str, str]) -> list[str]:
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(" ".join(reason.split()), []).append(name)
    return [f"{title} ({len(own)}): {_listed(own)}: {reason}" for reason, own in names.items()]


def _known(found: StoredDecision) -> list[str]:
    """By what was decided, what could have been found, and what is to be known of the two sides."""
    policy, family = found.policy, found.decision.family
    counts = {"tasks": family.tasks, "subsets": family.subsets, "means": family.means}
    parts = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    lines = [f"decided by {policy.kind} at {100 * policy.alpha:g} % ({parts}); {_found(found)}"]
    for stored in (found.old, found.new):
        if stored.kind == "published":
            lines.append(
                f"indicative: the scores of {stored.baseline.model} were published without outcomes and partly on "
                "earlier revisions of the data"
            )
    if blind := _blind(found):
        lines.append(
            f"no sampling error is known of {_count(blind, 'task')}: there every drop beyond tolerance and drift counts"
        )
    if found.left_out:
        lines.append(
            f"{found.old.name} has {_count(len(found.left_out), 'task')} more than was asked for: "
            f"{_listed(found.left_out)}; --select names those that must be there"
        )
    lines += other_than_scores(found.comparisons)
    warnings = Counter(sentence for each in found.comparisons.values() for sentence in each.warnings)
    return [*lines, *(f"warning: {sentence}" for sentence in warnings)]


def _blind(found: StoredDecision) -> int:
    """How many tasks changed of which no sampling error is known, on either side."""
    differences = [each.difference for each in found.comparisons.values()]
    return sum(each.drop != 0 and each.standard_error == 0 for each in differences)


def _found(found: StoredDecision) -> str:
    drops = [each.detectable for each in found.decision.verdicts.values() if each.detectable is not None]
    drops = [drop for drop in drops if math.isfinite(drop)]
    if not drops:
        reason = "no sampling error is known" if _blind(found) else "no outcome changed"
        return f"the smallest detectable drop cannot be told, for {reason}"
    return (
        f"the smallest detectable drop of a task is {percent(min(drops))} to {percent(max(drops))}, "
        f"{percent(median(drops))} in the median"
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
