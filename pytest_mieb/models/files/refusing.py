"""What is said of files that a library cannot use: one sentence, with the remedy."""

from __future__ import annotations

import pickle
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_mieb.models.errors import ModelError, first_line

_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
_POINTER = b"version https://git-lfs"
_TRUST = "trust_remote_code"


@contextmanager
def as_model_errors(path: Path | str) -> Iterator[None]:
    """Turn what a library says of files that it cannot use into one sentence.

    Raises:
        ModelError: always, where the library raised.
    """
    import torch
    from safetensors import SafetensorError

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"{path}: does not fit on the device ({first_line(error)}); try --mieb-dtype=bfloat16 or another "
            "--mieb-device"
        ) from error
    except SafetensorError as error:
        raise _damaged(path, first_line(error)) from error
    except EOFError as error:
        raise _damaged(path, "they end too early") from error
    except pickle.UnpicklingError as error:
        # What torch says ends in how to switch its safety off.
        named = _GLOBAL.search(str(error))
        if named is None:
            raise _damaged(path, "no file of tensors alone") from error
        raise ModelError(
            f"{path}: its weights hold {named[1]}, which would have to run as code; save nothing but tensors: "
            "torch.save(model.state_dict(), FILE), or as safetensors"
        ) from error
    except (ImportError, OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        if "PytorchStreamReader" in str(error):
            raise _damaged(path, "not a whole archive") from error
        if _TRUST in str(error):
            raise ModelError(
                f"{path}: it comes with code of its own; read it, and allow it to run with --mieb-trust-remote-code"
            ) from error
        raise ModelError(f"{path}: cannot be loaded: {first_line(error)}") from error


def _damaged(path: Path | str, what: str) -> ModelError:
    return ModelError(f"{path}: its weights are damaged or cut short ({what}); copy or save them again")


def check_files(files: Iterable[Path]) -> None:
    """Refuse files of weights that are empty, or pointers that git leaves in place of large files.

    Raises:
        ModelError: it names the file.
    """
    for file in files:
        with open(file, "rb") as content:
            head = content.read(len(_POINTER))
        if not head:
            raise _damaged(file, "the file is empty")
        if head == _POINTER:
            raise ModelError(f"{file}: a pointer of git-lfs, not the weights; fetch them with `git lfs pull`")


def check_keys(
    path: Path,
    *,
    missing: Collection[str] = (),
    unexpected: Collection[str] = (),
    mismatched: Collection[str] = (),
    what: str = "config.json",
) -> None:
    """Refuse weights that are not those of the architecture, which `what` describes.

    Raises:
        ModelError: it counts the keys and names the first ones.
    """
    for kind, keys in (("missing", missing), ("unexpected", unexpected), ("mismatched", mismatched)):
        if keys:
            some = ", ".join(sorted(map(str, keys))[:3])
            raise ModelError(f"{path}: weights and {what} do not fit: {len(keys)} {kind} keys ({some} ...)")
