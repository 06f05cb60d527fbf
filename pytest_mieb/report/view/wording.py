"""What every format tells of a view in the same words: what the verdict rests on, and why tasks have none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_mieb.report.view.view import Basis, Detectable, View
from pytest_mieb.support.numbers import counted, percent

_SHOWN = 10


def basis_lines(view: View) -> list[str]:
    """By which tests it was decided, what these could have found, and what is to be known of the two measurements."""
    basis = view.basis
    if basis is None:
        return []
    lines = [f"{_tests(basis)}; {_detectable(basis)}"] if basis.compared else []
    if basis.error_unknown:
        lines.append(
            f"no sampling error is known for {counted(basis.error_unknown, 'task')}, where every drop beyond the "
            "tolerance and the known drift is a regression"
        )
    lines += [*_indicative(view), *_left_out(view), *basis.by_fits]
    return [*lines, *(f"warning: {sentence}" for sentence in basis.warnings)]


def by_reason(title: str, reasons: Mapping[str, str]) -> list[str]:
    """A line for each reason that tasks have, with their names: `no verdict (2): A, B: did not run`."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(" ".join(reason.split()), []).append(name)
    return [f"{title} ({len(own)}): {listed(own)}: {reason}" for reason, own in names.items()]


def listed(names: Sequence[str], shown: int = _SHOWN) -> str:
    """The first of the names, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _tests(basis: Basis) -> str:
    policy, family = basis.policy, basis.family
    counts = {"task": family.tasks, "language": family.subsets, "mean": family.means}
    parts = ", ".join(counted(count, noun) for noun, count in counts.items() if count)
    if policy.kind == "non-inferiority":
        return f"the verdict rests on non-inferiority tests at {100 * policy.alpha:g} % each ({parts})"
    rate = f"{100 * policy.alpha:g} %"
    return f"the verdict rests on significance tests with a family-wise error rate of {rate} ({parts})"


def _detectable(basis: Basis) -> str:
    if basis.detectable is None:
        reason = "no sampling error is known" if basis.error_unknown else "no outcome differs from the baseline's"
        return f"no smallest detectable drop can be given, because {reason}"
    return f"the smallest detectable drop of a task {_range(basis.detectable)}"


def _range(drops: Detectable) -> str:
    least, largest = percent(drops.least), percent(drops.largest)
    if least == largest:
        return f"is {least}"
    return f"lies between {least} and {largest}, with a median of {percent(drops.median)}"


def _indicative(view: View) -> Iterator[str]:
    """Whatever side the published scores are on."""
    models = [each.model for each in (view.old, view.new) if each and each.indicative]
    if models and view.basis and view.basis.compared:
        yield (
            f"the verdict is indicative: the scores of {' and '.join(models)} were published without outcomes, some of "
            "them on earlier revisions of the data; record a baseline of your own for a verdict to rely on"
        )


def _left_out(view: View) -> Iterator[str]:
    if view.old and view.left_out:
        yield (
            f"{view.old.name} has {counted(len(view.left_out), 'more task')}, which nobody asked for: "
            f"{listed(view.left_out)}; --select names those that must be there"
        )
