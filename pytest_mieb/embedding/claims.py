"""Who embeds which part of the work, among processes that share a cache and know nothing else of each other.

No lock is taken, as those of network file systems cannot be relied on: a claim is a small file that one process makes,
and no other can make as well. It is there to spare work, not to keep anybody out: where two embed the same, either
result serves.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event, Thread

CLAIMS = "claims"
# How often, in seconds, a claim is renewed, and after how long without that it is nobody's any more.
_RENEWED, _LOST = 10.0, 60.0
# A folder of claims that nobody has touched for so long, in seconds, is left over.
_FORGOTTEN = 3600.0


@dataclass(frozen=True)
class Claim:
    """What a claim says: whose it is, in which run, and what of; one that is being written says nothing yet.

    `deaths`: how many processes of that run died while they held it before.
    """

    host: str = ""
    process: int = 0
    run_id: str = ""
    about: str = ""
    deaths: int = 0

    def holder_is_gone(self) -> bool:
        """Whether it is known that its process has ended; of another host's that cannot be known."""
        return self.host == socket.gethostname() and _has_ended(self.process)


def _has_ended(process: int) -> bool:
    """Whether it is gone, or nothing is left of it but its number, until its parent asks what became of it."""
    try:
        os.kill(process, 0)
        state = (
            Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
        )
    except ProcessLookupError:
        return True
    except OSError:  # another user's, or a system without such files
        return False
    return state in "ZX"


@dataclass(frozen=True)
class Taken:
    """A claim that this process holds."""

    path: Path


@dataclass
class Claims:
    """The claims in one folder, made by this process in the run `run_id` or by others.

    Names have two parts, `<what>/<which part of it>`. Where nothing can be written it is as if nobody else were there.
    """

    folder: Path
    run_id: str
    _held: set[Path] = field(default_factory=set, init=False)
    _renewing: Thread | None = field(default=None, init=False)
    _closing: Event = field(default_factory=Event, init=False)

    def take(self, name: str, about: str = "") -> Taken | None:
        """Claim what has this name; None where another process has it.

        A claim whose holder is gone, or has not renewed it for a minute, is taken over.
        """
        path = self.folder / name
        found, deaths = self._read(path), 0
        if found is not None and path not in self._held:
            if not self._is_lost(path, found):
                return None
            deaths = self._deaths(found)
            with suppress(OSError):
                path.unlink()
        if not self._made(path, Claim(socket.gethostname(), os.getpid(), self.run_id, about, deaths)):
            return None
        self._held.add(path)
        self._renew()
        return Taken(path)

    def release(self, taken: Taken) -> None:
        """Let go of a claim: what it was for is done, or is left to whoever comes next."""
        self._held.discard(taken.path)
        with suppress(OSError):
            taken.path.unlink()
        with suppress(OSError):  # where others are at work beside it
            taken.path.parent.rmdir()

    def deaths(self, name: str) -> int:
        """How many processes of this run have died while they held this, one after the other."""
        found = self._read(self.folder / name)
        return self._deaths(found) if found else 0

    def lost(self) -> Iterator[Claim]:
        """The claims of processes of this run that have died."""
        for path in sorted(self.folder.glob("*/*")):
            found = self._read(path)
            if found and self._deaths(found):
                yield found

    def close(self) -> None:
        """Let go of everything."""
        self._closing.set()
        for path in list(self._held):
            self.release(Taken(path))

    def _deaths(self, found: Claim) -> int:
        return found.deaths + 1 if found.run_id == self.run_id and found.holder_is_gone() else 0

    def _made(self, path: Path, claim: Claim) -> bool:
        """Whether this process made the file; also where none can be made."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "x", encoding="utf-8") as file:
                file.write(json.dumps(asdict(claim)))
        except FileExistsError:
            return path in self._held
        except OSError:
            pass
        return True

    def _read(self, path: Path) -> Claim | None:
        """What a claim says; None where there is none."""
        try:
            return Claim(**json.loads(path.read_text(encoding="utf-8")))
        except OSError:
            return None
        except (ValueError, TypeError):
            return Claim()

    def _is_lost(self, path: Path, claim: Claim) -> bool:
        if claim.holder_is_gone():
            return True
        try:
            return self._now() - path.stat().st_mtime > _LOST
        except OSError:  # let go of meanwhile: to be claimed like any other
            return True

    def _now(self) -> float:
        """The time by the clock of whoever keeps the folder, which may be another machine."""
        clock = self.folder / f".clock-{socket.gethostname()}-{os.getpid()}"
        try:
            clock.touch()
            return clock.stat().st_mtime
        except OSError:
            return time.time()
        finally:
            with suppress(OSError):
                clock.unlink()

    def _renew(self) -> None:
        """Show that this process lives as long as it does."""
        if self._renewing is None:
            self._renewing = Thread(target=self._renew_all, name="mieb-claims", daemon=True)
            self._renewing.start()

    def _renew_all(self) -> None:
        while not self._closing.wait(_RENEWED):
            for path in list(self._held):
                with suppress(OSError):
                    os.utime(path)


def sweep(folder: Path) -> None:
    """Remove the claims that runs left which were killed."""
    for path in folder.glob("*"):
        with suppress(OSError):
            newest = max(each.stat().st_mtime for each in (path, *path.iterdir()))
            if time.time() - newest > _FORGOTTEN:
                shutil.rmtree(path)
