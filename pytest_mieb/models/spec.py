"""The text after `--mieb-model`: which model it means, and how to load it."""

from __future__ import annotations

import difflib
import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_mieb.models.embedder import Embedder, ModelError

MINIATURES = ("miniature", "miniature:damaged")
DTYPES = ("float32", "float16", "bfloat16")
LEGAL = (
    "a folder with a model, a hub id such as openai/clip-vit-base-patch32, package.module:factory, "
    "miniature, or miniature:damaged"
)
_FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")

Kind = Literal["miniature", "folder", "factory", "hub"]


@dataclass(frozen=True)
class ModelSpec:
    """A model that can be named: what kind it is, and the name its results and its baseline go by."""

    text: str
    kind: Kind

    @property
    def name(self) -> str:
        """For a folder its own name; for the rest the text, made fit for a file name."""
        text = Path(self.text).resolve().name if self.kind == "folder" else self.text
        return re.sub(r"[^\w.-]+", "__", text)

    @property
    def baseline(self) -> str:
        """The baseline it is compared with by default: its own name; for the damaged miniature, the sound one."""
        return "miniature" if self.kind == "miniature" else self.name


def parse_spec(text: str) -> ModelSpec:
    """What `text` means, without loading anything.

    Raises:
        ModelError: it means nothing; the message names near names and what is legal.
    """
    if text in MINIATURES:
        return ModelSpec(text, "miniature")
    path = Path(text).expanduser()
    if path.is_dir():
        return ModelSpec(str(path), "folder")
    if path.is_file():
        raise ModelError(f"--mieb-model={text}: this is a file; give the folder that holds it")
    if _FACTORY.fullmatch(text) and not text.startswith("miniature:"):
        return ModelSpec(text, "factory")
    if _HUB_ID.fullmatch(text) and not text.startswith((".", "~")) and not path.parent.is_dir():
        return ModelSpec(text, "hub")
    beside = [str(path.parent / entry.name) for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(text, [*MINIATURES, *beside], n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ModelError(f"--mieb-model={text}: no such model.{hint} Legal are {LEGAL}.")


def load_embedder(
    spec: str | ModelSpec,
    *,
    revision: str | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    trust_remote_code: bool = False,
) -> Embedder:
    """Load the model that `spec` names.

    Args:
        spec: as after `--mieb-model`.
        revision: a branch, tag or commit, for a hub id.
        device: a torch device.
        dtype: float32, float16 or bfloat16, in which a Hugging Face model computes.
        trust_remote_code: whether code that comes with a model may be run.

    Raises:
        ModelError: it cannot be loaded; the message says why and what to do.
    """
    spec = parse_spec(spec) if isinstance(spec, str) else spec
    if spec.kind == "factory":
        return _from_factory(spec.text)
    from pytest_mieb.models import dual_encoder

    if spec.kind == "miniature":
        from pytest_mieb.miniature import MODEL_DIR

        return dual_encoder.load(
            MODEL_DIR, device=device, dtype=dtype, image_statistics=DAMAGE if spec.text.endswith(":damaged") else None
        )
    folder = Path(spec.text) if spec.kind == "folder" else dual_encoder.download(spec.text, revision)
    return dual_encoder.load(folder, device=device, dtype=dtype, trust_remote_code=trust_remote_code)


# The accident of `miniature:damaged`: pixels scaled to -1..1, as SigLIP's are, for a model that was trained with other
# constants. It happens when a checkpoint is saved without its processor and gets the one of another family.
DAMAGE = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}


def _from_factory(text: str) -> Embedder:
    module_name, _, attribute = text.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ModelError(
            f"--mieb-model={text}: the module {module_name} cannot be imported ({error}); "
            "put its folder on PYTHONPATH or install it"
        ) from error
    except Exception as error:
        raise ModelError(f"--mieb-model={text}: importing {module_name} failed: {_said(error)}") from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        names = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        near = difflib.get_close_matches(attribute, names, n=3) or names
        raise ModelError(
            f"--mieb-model={text}: {module_name} has no function {attribute}; it has {', '.join(near) or 'none'}"
        )
    try:
        embedder = factory()
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"--mieb-model={text}: {attribute}() failed: {_said(error)}") from error
    missing = [
        name
        for name in ("modalities", "dimension", "fingerprint", "embed_images", "embed_texts", "embed_interleaved")
        if not hasattr(embedder, name)
    ]
    if missing:
        raise ModelError(
            f"--mieb-model={text}: what {attribute}() returns lacks {', '.join(missing)}; "
            "return a pytest_mieb.FunctionEmbedder, or a subclass of pytest_mieb.Embedder"
        )
    checked: Embedder = embedder
    return checked


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
