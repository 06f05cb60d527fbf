"""Why a dataset cannot be read, in one sentence with the remedy, whoever failed underneath."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.suite import DatasetRef
from pytest_mieb.support.hub import Line, fault_in

_NOT_REACHED = "the hub was not reached and the dataset is not cached; go online once, or give a --mieb-data mirror"


def translated(ref: DatasetRef, where: str, action: Callable[[], Any], line: Line | None = None) -> Any:
    """The result of `action`, whose failures become a DatasetError with a remedy."""
    _quietly()
    try:
        return action()
    except DatasetError:
        raise
    except Exception as error:  # clients of HTTP raise what they like
        raise unreadable(ref, where, error, line) from error


def unreadable(ref: DatasetRef, where: str, error: Exception, line: Line | None = None) -> DatasetError:
    """The error of a dataset that another error made unreadable, with a remedy."""
    cause = " ".join(str(error).split()) or type(error).__name__
    fault = fault_in(error) if where == "hub" else None
    if line and line.asleep and line.last:
        remedy = f"it is not cached, and {line.last.sentence} (asked in vain before, and not again for a while)"
    elif fault and fault.kind == "unreached":
        remedy = _NOT_REACHED
    elif fault and not (fault.status == 404 or "gated" in cause.lower()):
        remedy = fault.sentence
    else:
        remedy = _remedy(cause, error)
    return DatasetError(
        f"dataset {ref.path} (revision {ref.revision}) cannot be read from the {where}: {remedy}"
        f" [{type(error).__name__}: {cause[:300]}]"
    )


def _of_no_rows(error: BaseException | None) -> bool:
    """Of a file without rows `datasets` asks pyarrow for batches of none, which it refuses."""
    while error is not None:
        if "BatchSize must be greater than 0" in str(error):
            return True
        error = error.__cause__
    return False


def _remedy(cause: str, error: Exception) -> str:
    from pyarrow import ArrowInvalid

    damaged = "a file is missing, truncated or damaged; delete it from the cache and download it again"
    lowered = cause.lower()
    if isinstance(error, ArrowInvalid):  # before the words below: "magic bytes not found in footer"
        return damaged
    if "corresponds to no data" in lowered or _of_no_rows(error):
        return "a split that the card names has no rows; check the card, then download it again"
    if "gated" in lowered and type(error).__name__ != "RepositoryNotFoundError":  # which speaks of gates as well
        return "it is gated; accept its terms on the hub and log in with `hf auth login` (or set HF_TOKEN)"
    if (
        "local cache" in lowered
        or "offline" in lowered
        or "couldn't reach" in lowered
        or isinstance(error, ConnectionError)
    ):
        return _NOT_REACHED
    if "config" in lowered and "not found" in lowered:
        return "it lacks a config that the card's layout needs; check the card's layout and revision"
    if "split" in lowered:
        return "it lacks a split that the card names, or a split is incomplete; check the card, then download it again"
    if "doesn't exist" in lowered or "not found" in lowered or "404" in lowered:
        return "it or its revision does not exist there, or you may not see it; check path and revision, or log in"
    return damaged


@cache
def _quietly() -> None:
    """No progress bars and no notes of caches: they are noise in the log of a test run."""
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
