"""What models behind an API need: a bill with a limit, and how long to wait before another try."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, NamedTuple, Protocol, runtime_checkable

from pytest_mieb.models.errors import ModelError

TRIES = 6
FIRST_WAIT, LONGEST_WAIT, LONGEST_RETRY_AFTER = 2.0, 60.0, 600.0


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


def worth_another_try(status: int | None) -> bool:
    """Whether a request that was answered so may be answered later: too many requests, or the server's own trouble."""
    return status is not None and (status in (408, 429) or status >= 500)


def wait_before(attempt: int, headers: Mapping[str, str]) -> float:
    """Seconds between try `attempt`, counted from 0, and the next: as the server asks, else ever twice as long."""
    asked = {name.lower(): value for name, value in headers.items()}.get("retry-after")
    seconds = _seconds(asked) if asked else None
    if seconds is not None:
        return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
    return min(FIRST_WAIT * 2**attempt, LONGEST_WAIT)


def _seconds(asked: str) -> float | None:
    """A Retry-After header: seconds, or a date; None for anything else."""
    readings: tuple[Callable[[], float], ...] = (
        lambda: float(asked),
        lambda: parsedate_to_datetime(asked).timestamp() - time(),
    )
    for reading in readings:
        try:
            seconds = reading()
        except (TypeError, ValueError):
            continue
        return seconds if math.isfinite(seconds) else None
    return None
