"""What the commands on datasets share: the tasks that are chosen, and the way they end where something is wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mieb.cli.sides import RefusalError, exiting_on_refusal

if TYPE_CHECKING:
    from pytest_mieb.suite import Task

FINE, WRONG, INTERRUPTED = 0, 1, 2


def chosen(given: argparse.Namespace) -> dict[str, list[Task]]:
    """The selected tasks by the dataset that they read.

    Raises:
        RefusalError: an expression is wrong, or tasks want two revisions of a dataset.
    """
    from pytest_mieb.data.errors import DatasetError
    from pytest_mieb.data.mirroring.listing import by_dataset
    from pytest_mieb.suite.cards import load_tasks
    from pytest_mieb.suite.selection import SelectionError, select

    try:
        return by_dataset(select(load_tasks(map(Path, given.tasks)), given.markers, given.keywords).values())
    except (SelectionError, DatasetError) as error:
        raise RefusalError(str(error)) from error


def mirror_in(folder: Path) -> Path:
    """The folder of a mirror that is there.

    Raises:
        RefusalError: it is not there, or holds nothing that was fetched.
    """
    from pytest_mieb.data.mirroring.manifest import recorded

    if not folder.is_dir():
        raise RefusalError(f"{folder}: there is no such folder; `pytest-mieb data fetch` makes a mirror")
    if not recorded(folder):
        raise RefusalError(
            f"{folder} holds no record of what was fetched; `pytest-mieb data fetch` makes one, and keeps the files "
            "there that are whole"
        )
    return folder.resolve()


def is_offline() -> bool:
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE


def exiting_on_trouble(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Exit with one sentence where a folder or a record cannot be used, or the user has had enough."""

    @wraps(run)
    def end(given: argparse.Namespace) -> int:
        from pytest_mieb.data.errors import DatasetError
        from pytest_mieb.data.mirroring.fetching import MirrorError

        try:
            return run(given)
        except (DatasetError, MirrorError) as error:
            sys.stderr.write(f"pytest-mieb data: {error}\n")
            return WRONG
        except BrokenPipeError:
            raise
        except OSError as error:
            file = f"{os.fspath(error.filename)}: " if error.filename else ""
            raise RefusalError(f"{file}{error.strerror or error}; give a folder that can be used") from error
        except KeyboardInterrupt:
            sys.stderr.write("\npytest-mieb data: interrupted; the same command goes on from here\n")
            return INTERRUPTED

    return exiting_on_refusal(end)
