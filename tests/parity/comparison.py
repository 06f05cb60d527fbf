"""What counts as the same score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

# Model run by each side: batches of another make-up move float32 embeddings by a few units in the last place.
OWN_MAIN, OWN_OTHER = 1e-4, 1e-3
# Both sides score the same numbers.
SAME = 1e-9
# What the reference itself loses, of the main score and of other metrics: it rounds the metrics of retrieval to 5
# digits, and takes means of pairs in float32. Of two documents whose cosines float32 cannot tell apart, either may rank
# first, by the shapes of the matrices that each side multiplies.
SAME_ROUNDED: Mapping[str, tuple[float, float]] = {
    "retrieval": (1e-5, OWN_OTHER),
    "multiple_choice": (1e-5, 1e-5),
    "pair_classification": (1e-7, 1e-7),
}
# Metrics that differ on purpose, by task, with the reason.
KNOWN_DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    "PatchCamelyonZeroShot": dict.fromkeys(
        ("ap", "ap_weighted"),
        "the reference ranks by a softmax over both classes here and by the cosine of class 1 in RenderedSST2, "
        "depending on the order in which a task lists its modalities; we rank by the cosine in both",
    )
}
# Above this share of an embedding's length, a difference between two embeddings of an item is no float32 noise.
NOISE = 1e-4

Mode = Literal["own", "same"]


@dataclass(frozen=True)
class Scores:
    """The score of a task, and all metrics of each of its subsets."""

    main: float
    subsets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


class Difference(NamedTuple):
    """Ours less the reference's: of the main score, and the largest of the other metrics with its name."""

    main: float
    other: float
    where: str
    shared: int

    def within(self, main: float, other: float) -> bool:
        """False for NaN as well."""
        return abs(self.main) <= main and abs(self.other) <= other


def difference(reference: Scores, ours: Scores, task: str = "") -> Difference:
    """Compare the metrics that both report, but those that are known to differ in this task.

    A subset that only one of them reports makes the difference NaN.
    """
    known = KNOWN_DIFFERENCES.get(task, {})
    if set(reference.subsets) != set(ours.subsets):
        odd = ", ".join(sorted(set(reference.subsets) ^ set(ours.subsets)))
        return Difference(ours.main - reference.main, math.nan, f"subsets of one side only: {odd}", 0)
    worst, where, shared = 0.0, "", 0
    for subset, metrics in reference.subsets.items():
        for name in sorted((set(metrics) & set(ours.subsets[subset])) - set(known)):
            shared += 1
            found = ours.subsets[subset][name] - metrics[name]
            if abs(found) > abs(worst) or math.isnan(found):
                worst, where = found, name if len(reference.subsets) == 1 else f"{subset} {name}"
    return Difference(ours.main - reference.main, worst, where, shared)


def agrees(found: Difference, mode: Mode, protocol: str) -> bool:
    """Whether a difference is within what the mode allows."""
    if mode == "own":
        return found.within(OWN_MAIN, OWN_OTHER)
    return found.within(*SAME_ROUNDED.get(protocol, (SAME, SAME)))
