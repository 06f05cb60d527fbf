"""How long to wait before another try of a request, as the server asks or ever longer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from time import time

FIRST_WAIT, LONGEST_WAIT, LONGEST_RETRY_AFTER = 2.0, 60.0, 600.0


def worth_another_try(status: int | None) -> bool:
    """Whether a request that was answered so may be answered later: too many requests, or the server's own trouble."""
    return status is not None and (status in (408, 429) or status >= 500)


def wait_before(attempt: int, headers: Mapping[str, str]) -> float:
    """Seconds between try `attempt`, counted from 0, and the next: as the server asks, else ever twice as long."""
    asked = retry_after(headers)
    if asked is not None:
        return min(asked, LONGEST_RETRY_AFTER)
    return min(FIRST_WAIT * 2**attempt, LONGEST_WAIT)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks to wait, not below 0; None where it does not say."""
    asked = {name.lower(): value for name, value in headers.items()}.get("retry-after")
    seconds = _seconds(asked) if asked else None
    return None if seconds is None else max(seconds, 0.0)


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
