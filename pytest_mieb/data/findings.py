"""Data that does not fit together: where nothing of it does it is refused, where a part does it is counted and told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from pytest_mieb.data.errors import DatasetError


@dataclass(frozen=True)
class Finding:
    """Of `of` things `count` do not fit, in the words of `what` ("judged documents are not in the corpus").

    They are scored as the reference does. `example` is the first of them.
    """

    what: str
    count: int
    of: int
    example: str

    @property
    def sentence(self) -> str:
        return f"{self.count:,} of {self.of:,} {self.what} (the first: {self.example})"


def partly(
    what: str, unmatched: Sequence[object], of: int, *, none: str, error: Callable[[str], DatasetError]
) -> tuple[Finding, ...]:
    """Nothing where all of it is matched, a finding where a part is.

    Args:
        what: in the plural, such as "judged documents are not in the corpus".
        unmatched: those of the `of` things that are not matched.
        none: what is said where nothing is matched.

    Raises:
        DatasetError: nothing is matched.
    """
    if not unmatched:
        return ()
    if len(unmatched) == of:
        raise error(f"{none} (the first: {unmatched[0]!r})")
    return (Finding(what, len(unmatched), of, repr(unmatched[0])),)


def summed(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings of several subsets as those of their task: one a sentence, with the first example."""
    sums: dict[str, Finding] = {}
    for each in findings:
        before = sums.get(each.what)
        sums[each.what] = replace(before, count=before.count + each.count, of=before.of + each.of) if before else each
    return tuple(sums.values())
