"""What the comparison found, for people to read, and whether it is good enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pytest_mieb.suite import Task
from tests.parity.comparison import KNOWN_DIFFERENCES, NOISE, Difference, Mode, Scores, agrees, difference
from tests.parity.worker import Measurement

WIDTH = 46


class Judgement(NamedTuple):
    """One line of the table; `explained` is the difference on the reference's own embeddings, where one was needed."""

    measurement: Measurement
    mode: Mode
    reference: Scores
    ours: Scores
    found: Difference
    agrees: bool
    explained: Difference | None = None

    @property
    def fine(self) -> bool:
        """Within tolerance, or off by what float32 noise in the embeddings alone explains."""
        return self.agrees or self.explained is not None


def judge(measurement: Measurement, mode: Mode, task: Task) -> Judgement | None:
    """Compare one measurement in one mode; None where a side has no scores.

    A difference of the models' runs is explained when both embedded the same items, each alike up to float32 noise,
    and our score of the reference's embeddings is the reference's score.
    """
    reference, ours = (measurement.own if mode == "own" else measurement.same), measurement.ours
    if reference is None or ours is None:
        return None
    found = difference(reference, ours, task.name)
    explained = None
    if mode == "own" and measurement.rescored and measurement.agreement and measurement.agreement.noise <= NOISE:
        again = difference(reference, measurement.rescored, task.name)
        explained = again if agrees(again, "own", task.protocol) else None
    return Judgement(measurement, mode, reference, ours, found, agrees(found, mode, task.protocol), explained)


def report(
    measurements: Sequence[Measurement], modes: Sequence[Mode], tasks: Mapping[str, Task]
) -> tuple[list[str], bool]:
    """The lines of the whole report, and whether everything in it is fine."""
    lines: list[str] = []
    fine = True
    for model in dict.fromkeys(one.model for one in measurements):
        for mode in modes:
            of_model = [one for one in measurements if one.model == model]
            judged = [one for each in of_model if (one := judge(each, mode, tasks[each.task]))]
            lines += [*_table(model, mode, judged, tasks), ""]
            lines += [*_summary(model, mode, judged, len(of_model)), ""]
            fine &= len(judged) == len(of_model) and all(one.fine for one in judged)
    known = [(name, metric, why) for name in tasks for metric, why in KNOWN_DIFFERENCES.get(name, {}).items()]
    if known:
        lines += ["not compared", *(f"  {name} {metric}: {why}" for name, metric, why in known), ""]
    errors = [f"{one.model} {one.task}: {step}: {text}" for one in measurements for step, text in one.errors.items()]
    if errors:
        lines += ["did not run", *(f"  {error}" for error in errors), ""]
    return lines, fine and not errors


def _table(model: str, mode: Mode, judged: Sequence[Judgement], tasks: Mapping[str, Task]) -> Iterator[str]:
    how = "each side runs the model" if mode == "own" else "both score the same embeddings"
    yield f"{model}: {how}"
    yield f"{'task':{WIDTH}} {'metric':16} {'reference':>9} {'ours':>9} {'difference':>11} {'other':>9}  which"
    for one in judged:
        yield _line(one, tasks[one.measurement.task].metric)
    explained = [one for one in judged if one.explained and not one.agrees]
    if explained:
        yield ""
        yield f"{model}: off by float32 noise alone; ours on the reference's own embeddings:"
        for one in explained:
            noise = one.measurement.agreement.noise if one.measurement.agreement else float("nan")
            assert one.explained is not None
            yield (
                f"{one.measurement.task:{WIDTH}} noise {noise:.1e}, difference {one.explained.main:+.1e}, "
                f"other {one.explained.other:+.1e} {one.explained.where}"
            )


def _line(one: Judgement, metric: str) -> str:
    mark = "" if one.agrees else "  (noise)" if one.fine else "  DIFFERS"
    return (
        f"{one.measurement.task:{WIDTH}} {metric:16} {100 * one.reference.main:9.4f} {100 * one.ours.main:9.4f} "
        f"{one.found.main:+11.1e} {one.found.other:+9.1e}  {one.found.where or '-'}{mark}"
    )


def _summary(model: str, mode: Mode, judged: Sequence[Judgement], total: int) -> Iterator[str]:
    agreeing = [one for one in judged if one.agrees]
    noisy = sum(one.fine and not one.agrees for one in judged)
    largest = max((abs(one.found.main) for one in agreeing), default=0.0)
    yield (
        f"{model}, {mode}: {len(agreeing)} of {total} tasks agree (main score within {largest:.1e}), "
        f"{noisy} differ by float32 noise alone, {len(judged) - len(agreeing) - noisy} differ, "
        f"{total - len(judged)} did not run"
    )
    checks = [one.measurement.agreement for one in judged if one.measurement.agreement]
    if mode == "own" and checks:
        yield (
            f"{model}: {sum(check.items for check in checks)} items embedded by both, alike up to "
            f"{max(check.noise for check in checks):.1e}; {sum(check.only_reference for check in checks)} by the "
            f"reference alone, {sum(check.only_ours for check in checks)} by us alone; "
            f"in {sum(check.identical for check in checks)} tasks no bit differs"
        )
