"""The files of a model: from the hub or a folder, and what its configurations say."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.spec import is_hub_id
from pytest_mieb.support.hub import Line, fault_in

_OTHER_FRAMEWORKS = ("*.msgpack", "*.h5", "*.onnx", "*.ot", "onnx/*", "openvino/*")


def download(
    repository: str, revision: str | None = None, *, only: Sequence[str] | None = None, needs: str = "model"
) -> Path:
    """The snapshot of a model on the hub, from the cache where it is there.

    Of the weights only one format is fetched: safetensors where there are any. `only` names the files to fetch.
    `needs` says what it is for, in errors.

    Raises:
        ModelError: it does not exist, may not be read, or the hub was not reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    named = f"--mieb-model={repository}" if needs == "model" else f"{needs} {repository}"
    named += f" (revision {revision})" if revision else ""

    def fetch() -> Path:
        if only:
            return Path(snapshot_download(repository, revision=revision, allow_patterns=list(only)))
        folder = Path(snapshot_download(repository, revision=revision, ignore_patterns=[*_OTHER_FRAMEWORKS, "*.bin"]))
        if not list(folder.rglob("*.safetensors")):
            snapshot_download(repository, revision=revision, ignore_patterns=list(_OTHER_FRAMEWORKS))
        return folder

    try:
        return Line(_warn).ask(f"model {repository}", fetch, lambda: [_cached(repository)])
    except GatedRepoError as error:
        raise ModelError(f"{named}: gated; accept its terms on the hub and log in with `hf auth login`") from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{named}: no such revision; check --mieb-revision") from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"{named}: not on the hub, or private; check the id, or log in with `hf auth login`"
        ) from error
    except Exception as error:  # clients of HTTP raise what they like
        fault = fault_in(error)
        if fault is None and not isinstance(error, OSError | ValueError | RuntimeError):
            raise
        if fault and fault.kind != "unreached":
            raise ModelError(f"{named}: {fault.sentence}") from error
        raise ModelError(
            f"{named}: the hub was not reached and the model is not cached; go online once, or give a local folder"
        ) from error


def _cached(repository: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"


def _warn(sentence: str) -> None:
    warnings.warn(sentence, UserWarning, stacklevel=2)


def part(option: str, given: str | None, pinned: tuple[str, str], *, only: Sequence[str] | None = None) -> Path:
    """A further folder that a model is made of: what the user gave as `option`, else a repository at its revision.

    Raises:
        ModelError: what was given is neither a folder nor a hub id, or cannot be fetched.
    """
    if given is None:
        return download(*pinned, only=only, needs=f"{option}:")
    folder = Path(given).expanduser()
    if folder.is_dir():
        return folder
    if not is_hub_id(given):
        raise ModelError(f"{option}={given}: no such folder, and no hub id; give one of the two")
    return download(given, only=only, needs=f"{option}:")


def commit_of(folder: Path) -> str | None:
    """The commit of a snapshot in the hub's cache; None for any other folder."""
    return folder.name if folder.parent.name == "snapshots" else None


def read_json(file: Path) -> dict[str, Any]:
    """A configuration file.

    Raises:
        ModelError: it is no JSON object.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{file.parent}: {file.name} cannot be used: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{file.parent}: {file.name} cannot be used: it holds no object")
    return content
