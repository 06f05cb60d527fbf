"""The garbage collector, kept away from what lives as long as the process."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept() -> Iterator[None]:
    """What is imported and loaded here is kept: the collector does not run meanwhile, and never looks at it later.

    torch, transformers and a model are some million objects, and every full collection goes through all of them.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.collect()  # what is frozen is never freed, and a checkpoint may hang on a cycle
        gc.freeze()
    finally:
        if enabled:
            gc.enable()
