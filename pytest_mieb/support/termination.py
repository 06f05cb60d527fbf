"""SIGTERM, which a batch system sends before it kills, ends a run as Ctrl-C does: what is done is kept."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import NoReturn


def interrupt_on_sigterm() -> bool:
    """Let SIGTERM raise KeyboardInterrupt in this process, unless somebody else has a use for it; whether that is so.

    By default it ends the process on the spot: embeddings that are not stored yet are lost, and nothing is said.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return False
    signal.signal(signal.SIGTERM, _interrupt)
    return True


def restore() -> None:
    """Undo `interrupt_on_sigterm`, where it is still in force."""
    if signal.getsignal(signal.SIGTERM) in (_interrupt, signal.SIG_IGN):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # or a second one cuts off the tidying up after the first
    raise KeyboardInterrupt("SIGTERM")
