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
from pytest_mieb.gate.stored import Outcome, Stored
from pytest_mieb.gate.verdict import acceptance_of, blame, other_than_scores, shown_interval
from pytest_mieb.report.table import aligned, github
from pytest_mieb.suite.means import group_of, groups
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


def text(outcome: Outcome, *, everything: bool = False) -> list[str]:
    """For a terminal: the tasks that changed, or all with `everything`, the means, and what is to be known of them."""
    lines = [
        f"old  {_side(outcome.old)}",
        f"new  {_side(outcome.new)}",
        *_preprocessing(outcome),
        "",
        headline(outcome),
    ]
    for rows in (task_rows(outcome, everything=everything), mean_rows(outcome)):
        if rows:
            lines += ["", *aligned(_cells(rows, outcome), left=2)]
    sections = [_languages(outcome), _accepted(outcome), _no_verdict(outcome), _known(outcome)]
    return lines + [line for section in sections if section for line in ("", *section)]


def markdown(outcome: Outcome, *, everything: bool = False) -> list[str]:
    """The same, to be pasted into a pull request."""
    lines = [
        f"### MIEB: `{outcome.new.name}` against `{outcome.old.name}`",
        "",
        f"**{headline(outcome)}**",
        *(line for change in _preprocessing(outcome) for line in ("", change)),
    ]
    for rows in (task_rows(outcome, everything=everything), mean_rows(outcome)):
        if rows:
            bold = [row._replace(verdict=f"**{row.verdict}**") if row.verdict == "regressed" else row for row in rows]
            lines += ["", *github(_cells(bold, outcome), left=2)]
    notes = [
        f"old: {_side(outcome.old)}",
        f"new: {_side(outcome.new)}",
        *_languages(outcome),
        *_accepted(outcome),
        *_no_verdict(outcome),
        *_known(outcome),
    ]
    return [*lines, "", *(f"- {note}" for note in notes)]


def headline(outcome: Outcome) -> str:
    """The state in a sentence."""
    decision = outcome.decision
    regressed = sum(bool(verdict.failure) for verdict in decision.verdicts.values())
    means = sum(mean.outcome == "regressed" for mean in decision.means)
    missing = f"{len(decision.incomplete)} of {_count(len(outcome.selected), 'task')} have no verdict"
    if decision.state == "regressed":
        of_means = f" and {means} of {_count(len(decision.means), 'mean')}" if decision.means else ""
        beside = f"; {missing}" if decision.incomplete else ""
        return f"regressed: {regressed} of {_count(len(decision.verdicts), 'task')}{of_means}{beside}"
    if decision.state == "incomplete":
        return f"incomplete: no regression seen, but {missing}"
    accepted = sum("accepted" in verdict.outcomes for verdict in decision.verdicts.values())
    but = f" but {accepted} that {'is' if accepted == 1 else 'are'} accepted" if accepted else ""
    return f"passed: no regression in {_count(len(decision.verdicts), 'task')}{but}"


def task_rows(outcome: Outcome, *, everything: bool) -> list[Row]:
    """The tasks that changed: regressed, suspect, improved, the largest change first; with `everything` all tasks,
    those that did not change last. Subsets that changed stand among them, suspect ones only with `everything`.
    """
    rows = []
    silent = ("passed",) if everything else ("passed", "suspect")
    for name, verdict in outcome.decision.verdicts.items():
        if everything or verdict.outcome != "passed":
            tolerance = outcome.comparisons[name].tolerance
            rows.append(Row(verdict.outcome, name, verdict.pair, tolerance, verdict.detectable))
        rows += [
            Row(each.outcome, f"{name} [{subset}]", each.pair, None, each.detectable)
            for subset, each in verdict.subsets.items()
            if each.outcome not in silent
        ]
    return sorted(rows, key=lambda row: (_ORDER.index(row.verdict), _size(row)))


def mean_rows(outcome: Outcome) -> list[Row]:
    """The categories, in order, then Mean (en) and Mean (m); a category of a single task is that task."""
    decision, single = outcome.decision, {group_of(outcome.tasks[name]): name for name in outcome.selected}
    rows = {}
    for mean in decision.means:
        title = f"{mean.name}, {mean.tasks} tasks"
        rows[mean.name] = Row(mean.outcome, title, mean.pair, mean.tolerance, mean.detectable)
    for group, name in single.items():
        verdict = decision.verdicts.get(name)
        if group not in rows and verdict:
            tolerance = outcome.comparisons[name].tolerance
            rows[group] = Row(verdict.outcome, f"{group}, 1 task", verdict.pair, tolerance, verdict.detectable)
    return [rows[name] for name in dict.fromkeys([*groups(), *rows]) if name in rows]


def _size(row: Row) -> float:
    """Large drops sort first, among what improved large gains; what passed keeps its place."""
    if row.pair is None or row.verdict == "passed":
        return 0.0
    return row.pair.difference.drop if row.verdict == "improved" else -row.pair.difference.drop


def _cells(rows: Iterable[Row], outcome: Outcome) -> list[tuple[str, ...]]:
    """In percent; `drop` is the confidence interval, `bound` the upper one by which non-inferiority decides."""
    strict = outcome.policy.kind == "non-inferiority"
    table: list[tuple[str, ...]] = [
        (*("verdict", "name", "old", "new", "change", _DROP), "bound" if strict else "p", "tolerance", "detectable")
    ]
    for verdict, name, pair, tolerance, detectable in rows:
        numbers: tuple[str, ...] = ("-",) * 5
        if pair:
            change = points(pair.score - pair.baseline)
            found = shown_interval(pair.difference) or "-"
            numbers = percent(pair.baseline), percent(pair.score), change, found, _chance(verdict, pair, outcome)
        table.append((verdict, name, *numbers, _percent(tolerance), _percent(detectable)))
    return table


def _chance(verdict: str, pair: Pair, outcome: Outcome) -> str:
    difference = pair.difference
    if outcome.policy.kind == "non-inferiority":
        return percent(upper_bound(difference, outcome.policy.alpha))
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


def _preprocessing(outcome: Outcome) -> list[str]:
    return list(dict.fromkeys(each.preprocessing for each in outcome.comparisons.values() if each.preprocessing))


def _languages(outcome: Outcome) -> list[str]:
    """In which languages a task lost, a line a task."""
    blamed = {name: blame(verdict) for name, verdict in outcome.decision.verdicts.items()}
    return [f"{name}: {sentence}" for name, sentence in blamed.items() if sentence]


def _accepted(outcome: Outcome) -> list[str]:
    """What fails nothing yet, and until when and why; in a mean it counts as unchanged."""
    sentences = {name: acceptance_of(verdict) for name, verdict in outcome.decision.verdicts.items()}
    sentences |= {mean.name: mean.without for mean in outcome.decision.means}
    return [f"{name}: {sentence}" for name, sentence in sentences.items() if sentence]


def _no_verdict(outcome: Outcome) -> list[str]:
    """Why tasks have no verdict, a line a reason."""
    return [
        *_by_reason("no verdict", outcome.decision.incomplete),
        *_by_reason("not compared", outcome.unusable),
    ]


def _by_reason(title: str, reasons: Mapping[str, str]) -> list[str]:
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(" ".join(reason.split()), []).append(name)
    return [f"{title} ({len(own)}): {_listed(own)}: {reason}" for reason, own in names.items()]


def _known(outcome: Outcome) -> list[str]:
    """By what was decided, what could have been found, and what is to be known of the two sides."""
    policy, family = outcome.policy, outcome.decision.family
    counts = {"tasks": family.tasks, "subsets": family.subsets, "means": family.means}
    parts = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    lines = [f"decided by {policy.kind} at {100 * policy.alpha:g} % ({parts}); {_found(outcome)}"]
    for stored in (outcome.old, outcome.new):
        if stored.kind == "published":
            lines.append(
                f"indicative: the scores of {stored.baseline.model} were published without outcomes and partly on "
                "earlier revisions of the data"
            )
    if blind := _blind(outcome):
        lines.append(
            f"no sampling error is known of {_count(blind, 'task')}: there every drop beyond tolerance and drift counts"
        )
    if outcome.left_out:
        lines.append(
            f"{outcome.old.name} has {_count(len(outcome.left_out), 'task')} more than was asked for: "
            f"{_listed(outcome.left_out)}; --select names those that must be there"
        )
    lines += other_than_scores(outcome.comparisons)
    warnings = Counter(sentence for each in outcome.comparisons.values() for sentence in each.warnings)
    return [*lines, *(f"warning: {sentence}" for sentence in warnings)]


def _blind(outcome: Outcome) -> int:
    """How many tasks changed of which no sampling error is known, on either side."""
    differences = [each.difference for each in outcome.comparisons.values()]
    return sum(each.drop != 0 and each.standard_error == 0 for each in differences)


def _found(outcome: Outcome) -> str:
    drops = [each.detectable for each in outcome.decision.verdicts.values() if each.detectable is not None]
    drops = [drop for drop in drops if math.isfinite(drop)]
    if not drops:
        reason = "no sampling error is known" if _blind(outcome) else "no outcome changed"
        return f"the smallest detectable drop cannot be told, for {reason}"
    return (
        f"the smallest detectable drop of a task is {percent(min(drops))} to {percent(max(drops))}, "
        f"{percent(median(drops))} in the median"
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
