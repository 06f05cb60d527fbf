"""One file over the network, from where an earlier try broke off.

`hf_hub_download` starts from nothing in every process (huggingface_hub 2.4 names what it has by chance, and removes it
where it fails), and waits for as long as a 429 asks, be it hours. So its client is used here, and not it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_mieb.support.hub import StalledError

_RANGE = re.compile(r"bytes (\d+)-")
# Fewer bytes than this in a second, for as long as a stall is waited for, are none.
_SLOWEST = 1000


class StoppedError(Exception):
    """The user has had enough."""


def receive(
    path: str,
    commit: str,
    name: str,
    partial: Path,
    size: int,
    at: Callable[[int], None],
    check: Callable[[], None],
    stall: float,
) -> int:
    """Append to `partial` what it lacks of a file, and return how many bytes came.

    Args:
        path: org/name of the dataset.
        size: of the whole file.
        at: told how many bytes are there.
        check: called with every piece; what it raises ends it.
        stall: for how many seconds a connection that gives next to nothing is kept.

    Raises:
        StalledError: it gave next to nothing for so long.
        OSError: the file cannot be written.
        Exception: what the hub's client raises.
    """
    have = partial.stat().st_size if partial.exists() else 0
    if have > size:
        partial.unlink()
        have = 0
    at(have)
    if have == size and partial.exists():
        return 0
    received = 0
    with _sent(path, commit, name, have) as response, partial.open("ab") as file:
        if have and not _goes_on(response, have):
            file.truncate(0)
            have = 0
        since, there = time.monotonic(), have
        for piece in response.iter_raw():
            check()
            file.write(piece)
            received += len(piece)
            at(have + received)
            if have + received - there >= _SLOWEST * stall:
                since, there = time.monotonic(), have + received
            elif time.monotonic() - since > stall:
                raise StalledError(f"next to nothing of {name} in {stall:.0f} seconds")
    if have + received != size:
        raise OSError(f"Consistency check failed: {name} should have {size} bytes and has {have + received}")
    return received


@contextmanager
def _sent(path: str, commit: str, name: str, first: int) -> Iterator[Any]:
    from huggingface_hub import constants, get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

    url = hf_hub_url(path, name, repo_type="dataset", revision=commit)
    # Compressed on its way, a range of it would be one of other bytes.
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if first:
        headers["Range"] = f"bytes={first}-"
    with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
        hf_raise_for_status(response)
        yield response


def _goes_on(response: Any, first: int) -> bool:
    match = _RANGE.match(response.headers.get("Content-Range", ""))
    return response.status_code == 206 and match is not None and int(match[1]) == first
