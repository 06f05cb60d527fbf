"""Asking the Hugging Face hub: what it answered, whether to ask again, and when to stop waiting for it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from pytest_mieb.support.retrying import retry_after, wait_before, worth_another_try

Kind = Literal["answered", "cut", "damaged", "unreached", "stalled"]
Result = TypeVar("Result")

_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "aiohttp")
_UNREACHED = (
    "ClientConnectorError",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionError",
    "ConnectionRefusedError",
    "MaxRetryError",
    "NewConnectionError",
    "PoolTimeout",
    "ProxyError",
)
# How often one request is sent, and the longest wait in seconds between two times.
_SENT, _LONGEST_PAUSE = 2, 60.0
# After how many things that were asked for in vain the hub is let alone for a while.
_IN_VAIN = 2
_CUT_FILE = "consistency check failed"  # of huggingface_hub, on a file shorter than it was said to be


@dataclass(frozen=True)
class Patience:
    """How often one thing is asked for, and how often where it stalled; how long a hub is waited for, in seconds: in
    all between those tries, for one that makes no progress, and before one that failed is asked again.

    A single request is sent again too: once here, and in places up to five times by the hub's own client.
    """

    tries: int = 3
    tries_of_stalled: int = 1
    longest_wait: float = 300.0
    stall: float = 300.0
    asleep: float = 300.0


class Fault(NamedTuple):
    """Why the hub gave nothing: what it answered (`status`, 0 where it did not), what it said, and its Retry-After."""

    kind: Kind
    status: int = 0
    said: str = ""
    retry_after: float | None = None

    @property
    def passes(self) -> bool:
        """Whether it may be otherwise a little later."""
        return self.kind in ("cut", "damaged", "unreached") or worth_another_try(self.status)

    @property
    def sentence(self) -> str:
        """What happened and what helps."""
        said = f": {self.said}" if self.said else ""
        if self.kind == "answered":
            return f"the hub answered {self.status}{said}; {_remedy(self.status)}"
        happened = {
            "cut": "the hub broke off in the middle of a file",
            "damaged": "the hub sent a file whose content is not what it lists",
            "stalled": "the hub sent nothing for a long time",
            "unreached": "the hub was not reached",
        }[self.kind]
        return f"{happened}{said}; {_ELSEWHERE}"


_ELSEWHERE = "run again later, or read it from a folder with --mieb-data (a model: give its folder)"


def _remedy(status: int) -> str:
    if status == 401:
        return "log in with `hf auth login`, or set HF_TOKEN"
    if status == 403:
        return "you are not allowed to read it: accept its terms on the hub, or log in with a token that may"
    if status == 429:
        return f"too many requests came from here: wait, log in for a higher limit, {_ELSEWHERE}"
    if status >= 500:
        return f"that is trouble of its own: {_ELSEWHERE}"
    return "check the name and the revision"


class StalledError(Exception):
    """Nothing came from the hub for as long as is waited for it."""


class DamagedError(Exception):
    """What came from the hub is not what it says of it."""


def fault_in(error: BaseException) -> Fault | None:
    """What of an error, of its causes, or of what it was raised beside came from the hub; None where nothing did.

    An answer says more than a broken connection, and that more than one that never was.
    """
    found = [fault for each in _chain(error) if (fault := _fault(each))]
    order: tuple[Kind, ...] = ("stalled", "damaged", "answered", "cut", "unreached")
    return min(found, key=lambda fault: order.index(fault.kind), default=None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__context__, each.__cause__, *getattr(each, "exceptions", ())]


def _fault(error: BaseException) -> Fault | None:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None) or getattr(error, "status", None)
    if isinstance(status, int) and status >= 400:
        headers: Mapping[str, str] = getattr(response, "headers", None) or getattr(error, "headers", None) or {}
        said = headers.get("X-Error-Message") or getattr(response, "reason_phrase", "") or ""
        return Fault("answered", status, " ".join(str(said).split())[:100], retry_after(headers))
    if isinstance(error, StalledError):
        return Fault("stalled", said=str(error))
    if isinstance(error, DamagedError):
        return Fault("damaged", said=str(error))
    if _CUT_FILE in str(error).lower():
        return Fault("cut")
    if type(error).__name__ == "OfflineModeIsEnabled":
        return None
    name = type(error).__name__
    of_client = type(error).__module__.partition(".")[0] in _LIBRARIES
    if not of_client and not isinstance(error, ConnectionError | TimeoutError):
        return None
    if name in _UNREACHED:
        return Fault("unreached")
    return Fault("unreached", said="it did not answer in time") if "Timeout" in name else Fault("cut")


def insisting(
    what: str,
    action: Callable[[], Result],
    patience: Patience,
    warn: Callable[[str], None],
    sleep: Callable[[float], None] | None = None,
    progress: Callable[[], float] = lambda: 0.0,
) -> Result:
    """The result of `action`, tried again where its error may pass, as late as the hub asks for.

    Args:
        what: for warnings, such as "dataset org/name".
        warn: told of waits, in one sentence each.
        sleep: how to wait; `time.sleep` where it is not given.
        progress: a number; a try after which it is larger than before does not count.

    Raises:
        Exception: whatever `action` raised the last time.
    """
    waited, attempt = 0.0, 0
    while True:
        before = progress()
        try:
            return action()
        except Exception as error:
            fault = fault_in(error)
            if progress() > before:
                waited, attempt = 0.0, 0
            tries = patience.tries_of_stalled if fault and fault.kind == "stalled" else patience.tries
            if fault is None or not (fault.passes or fault.kind == "stalled"):
                raise
            headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            pause = wait_before(attempt, headers)
            if attempt + 1 >= tries or waited + pause > patience.longest_wait:
                raise
            warn(f"{what}: {fault.sentence.partition(';')[0]}; asked again in {pause:.0f} seconds")
            (sleep or time.sleep)(pause)
            waited, attempt = waited + pause, attempt + 1


def watching(action: Callable[[], Result], progress: Callable[[], float], stall: float) -> Result:
    """The result of `action`, which runs in a thread of its own as long as it makes progress.

    One that makes none is left behind: a client that is fed a byte a minute never times out by itself.

    Args:
        progress: a number that changes while `action` makes progress.
        stall: how many seconds without progress are waited.

    Raises:
        StalledError: it made none for so long.
    """
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((True, action()))
        except BaseException as error:  # raised again where it is waited for
            outcome.append((False, error))

    thread = threading.Thread(target=run, name="mieb-hub", daemon=True)
    thread.start()
    before, since = progress(), time.monotonic()
    while True:
        thread.join(min(1.0, stall / 4))
        if not thread.is_alive():
            break
        if (now := progress()) != before:
            before, since = now, time.monotonic()
        elif time.monotonic() - since > stall:
            raise StalledError(f"no progress for {stall:.0f} seconds")
    ok, value = outcome[0]
    if not ok:
        raise value
    result: Result = value
    return result


@dataclass
class Line:
    """The line to the hub from this process: what is asked over it, and whether it seems dead.

    Args:
        warn: told of waits, in one sentence each.
        in_vain: how many things in a row it was asked for in vain.
        last: what happened the last time.
    """

    warn: Callable[[str], None]
    patience: Patience = field(default_factory=Patience)
    in_vain: int = 0
    last: Fault | None = None
    _asleep_until: float = 0.0
    _stalled: dict[str, Fault] = field(default_factory=dict)
    _one_at_a_time: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def ask(self, what: str, action: Callable[[], Result], watched: Callable[[], list[Path]] = list) -> Result:
        """The result of `action`, tried again where its error may pass.

        After two things in a row that it was asked for in vain, or one where it was not reached, the hub is let alone
        for a while: until then only the caches are looked at. What stalled is not waited for again in this process.

        Args:
            what: for warnings, such as "dataset org/name".
            watched: folders that grow while `action` makes progress.

        Raises:
            Exception: whatever `action` raised the last time, or StalledError.
        """
        with self._one_at_a_time:
            return self._ask(what, action, watched)

    def _ask(self, what: str, action: Callable[[], Result], watched: Callable[[], list[Path]]) -> Result:
        if fault := self._stalled.get(what):
            raise StalledError(f"{fault.said}, and it is not waited for again in this run")
        if self.asleep:
            with offline():
                return action()
        try:
            result = insisting(what, lambda: self._watched(what, action, watched), self.patience, self.warn)
        except Exception as error:
            if (fault := fault_in(error)) and fault.passes:
                self._give_up(fault)
            raise
        self.in_vain, self.last = 0, None
        return result

    @property
    def asleep(self) -> bool:
        """Whether the hub is let alone for now."""
        return time.monotonic() < self._asleep_until

    def _give_up(self, fault: Fault) -> None:
        self.in_vain, self.last = self.in_vain + 1, fault
        if fault.kind == "unreached" or self.in_vain >= _IN_VAIN:
            self._asleep_until = time.monotonic() + self.patience.asleep

    def _watched(self, what: str, action: Callable[[], Result], watched: Callable[[], list[Path]]) -> Result:
        def patient() -> Result:
            with _asking_again():
                return action()

        if _is_offline():
            return action()
        try:
            return watching(patient, lambda: sum(map(_size_of, watched())), self.patience.stall)
        except StalledError as error:
            self._stalled[what] = Fault("stalled", said=str(error))
            raise


@contextmanager
def _asking_again() -> Iterator[None]:
    """Each request of the hub's client is sent again where its answer may pass: not all of the client's own calls do.

    A load takes many requests, and starts from the first again: where one in three fails, it would never end.
    """
    from huggingface_hub import get_session

    client = get_session()
    send = client.send

    def patient(request: Any, **keywords: Any) -> Any:
        for attempt in range(_SENT - 1):
            response = send(request, **keywords)
            pause = retry_after(response.headers) or float(2**attempt)
            if not worth_another_try(response.status_code) or pause > _LONGEST_PAUSE:
                return response
            response.close()
            time.sleep(pause)
        return send(request, **keywords)

    client.send = patient  # type: ignore[method-assign]
    try:
        yield
    finally:
        client.send = send  # type: ignore[method-assign]


def _size_of(folder: Path) -> int:
    """Bytes in all files below a folder, as far as they can be seen."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total


def _is_offline() -> bool:
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE


@contextmanager
def offline() -> Iterator[None]:
    """No request to the hub meanwhile: what is in the caches is found, and nothing else."""
    import datasets
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before
