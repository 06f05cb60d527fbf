"""What models behind an API need: a bill with a limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from pytest_mieb.models.errors import ModelError

TRIES = 6


class Usage(NamedTuple):
    """What is paid for: tokens of text, and pixels of images."""

    tokens: int
    pixels: int


class Price(NamedTuple):
    """In US dollars."""

    million_tokens: float
    billion_pixels: float

    def of(self, usage: Usage) -> float:
        return usage.tokens * self.million_tokens / 1e6 + usage.pixels * self.billion_pixels / 1e9


@dataclass
class Bill:
    """What this process spent on one model, in US dollars.

    `unsure` is what those requests may have cost at most that were sent and not answered.
    """

    model: str
    limit: float | None = None
    spent: float = 0.0
    unsure: float = 0.0
    requests: int = 0

    def check(self, most: float) -> None:
        """Refuse a request that costs up to `most` if that may exceed the limit.

        Raises:
            ModelError: it says what was spent.
        """
        if self.limit is None or self.spent + self.unsure + most <= self.limit:
            return
        unsure = f" and up to {dollars(self.unsure)} on requests without an answer" if self.unsure else ""
        raise ModelError(
            f"{self.model}: stopped before --mieb-max-cost is exceeded: {dollars(self.spent)} spent{unsure} in "
            f"{self.requests} requests, the next may cost up to {dollars(most)}, and this process may spend "
            f"{dollars(self.limit)}; raise it, or select fewer tasks"
        )


@runtime_checkable
class Paid(Protocol):
    """What a model behind an API is beside an `Embedder`."""

    bill: Bill

    def estimate(self, items: Mapping[str, int | Sequence[Any]]) -> float:
        """At most how many US dollars it costs to embed `items`: the items themselves, or how many, by modality."""
        ...


def dollars(amount: float) -> str:
    """With cents, and with up to six decimals where it is less than one dollar: $12.50, $0.000036."""
    decimals = 2 if amount >= 1 else max(2, len(f"{amount:.6f}".rstrip("0")) - 2)
    return f"${amount:.{decimals}f}"
