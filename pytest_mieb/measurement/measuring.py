"""A result in the form in which it is recorded and compared: with its sampling error, and known by its examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b

from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.gate.statistics.significance import sampling_error
from pytest_mieb.measurement.baseline import Estimate, Measurement
from pytest_mieb.measurement.outcomes import compact
from pytest_mieb.measurement.result import SubsetResult, TaskResult
from pytest_mieb.protocols import estimator_of

REVISION_SHOWN = 12


def examples_of(result: TaskResult) -> dict[str, Examples]:
    """The outcomes of each subset as they are stored."""
    return {name: compact(_examples(subset)) for name, subset in result.subsets.items()}


def _examples(subset: SubsetResult) -> Examples:
    scored, repeats = subset.scored, subset.scored.repeats
    known = Examples(scored.outcomes, scored.truth, subset.clusters)
    return known if repeats is None else replace(known, fits=repeats.fits, restarts=repeats.restarts)


def measured(result: TaskResult, run_id: str = "") -> Measurement:
    """A result with its sampling error, in the form in which it is recorded and compared.

    The error is 0, unknown, where the score is in a metric that the outcomes do not make up.
    """
    examples, estimator = examples_of(result), estimator_of(result.task)

    def error(own: Mapping[str, Examples]) -> float:
        return sampling_error(estimator, own) if estimator else 0.0

    subsets = {}
    if len(result.subsets) > 1:
        subsets = {
            name: Estimate(subset.score, error({name: examples[name]})) for name, subset in result.subsets.items()
        }
    content = "".join(f"{name} {subset.digest}\n" for name, subset in result.subsets.items())
    return Measurement(
        result.score,
        error(examples),
        subsets=subsets,
        dataset=result.task.dataset.revision[:REVISION_SHOWN],
        examples=blake2b(content.encode(), digest_size=8).hexdigest(),
        run_id=run_id,
        part=part_of(result),
    )


def part_of(result: TaskResult) -> str:
    """How many rows there were, in the splits or subsets that the card expects others of; empty for the whole."""
    others = [each for subset in result.subsets.values() for each in subset.other_sizes.values()]
    if not others:
        return ""
    there, expected = map(sum, zip(*others, strict=True))
    return f"{there} of {expected} rows"
