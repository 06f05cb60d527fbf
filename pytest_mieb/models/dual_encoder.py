"""CLIP, SigLIP and SigLIP 2 as transformers loads them: two towers, one space."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.models.embedder import Embedder, ModelError, as_array

if TYPE_CHECKING:
    from PIL.Image import Image

# How each family pads its texts. SigLIP was trained with all texts at full length: other padding collapses it silently.
PADDING: Mapping[str, str] = {"clip": "longest", "siglip": "max_length", "siglip2": "max_length"}
IMAGE_BACKEND = "torchvision"
LENGTH_STEP = 16
# Without any of these transformers makes up a tokenizer of a few tokens, and says nothing.
_TOKENIZERS = ("tokenizer.json", "vocab.json", "spiece.model", "tokenizer.model")
_OTHER_FRAMEWORKS = ("*.msgpack", "*.h5", "*.onnx", "*.ot", "onnx/*", "openvino/*")


class DualEncoder(Embedder):
    """A transformers model with `get_image_features` and `get_text_features`."""

    def __init__(self, model: Any, processor: Any, fingerprint: str) -> None:
        self._model = model
        self._processor = processor
        self._fingerprint = fingerprint
        config = model.config
        self._padding = PADDING[config.model_type]
        text = config.text_config
        self._max_length = min(processor.tokenizer.model_max_length, text.max_position_embeddings)
        self._dimension = int(getattr(config, "projection_dim", None) or config.vision_config.hidden_size)
        if config.model_type != "clip":
            self._dimension = int(getattr(text, "projection_size", None) or text.hidden_size)

    @property
    def modalities(self) -> frozenset[str]:
        return frozenset({"image", "text"})

    @property
    def dimension(self) -> int:
        return self._dimension

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return self._features("get_image_features", self._processor.image_processor(list(images), return_tensors="pt"))

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Texts of similar length together, padded alike, in as many rows as there are texts.

        So the shape that a text is computed in depends on its own length only, and with it its last digits.
        """
        tokenizer = self._processor.tokenizer
        cut: dict[str, Any] = {"truncation": True, "max_length": self._max_length}
        if self._padding == "max_length":
            tokens = tokenizer(list(texts), padding="max_length", return_tensors="pt", **cut)
            return self._features("get_text_features", tokens)
        lengths = np.array([len(ids) for ids in tokenizer(list(texts), **cut)["input_ids"]])
        widths = np.minimum(-(-lengths // LENGTH_STEP) * LENGTH_STEP, self._max_length)
        embeddings = np.empty((len(texts), self._dimension), dtype=np.float32)
        for width in np.unique(widths):
            rows = np.flatnonzero(widths == width)
            filled = [*rows, *[rows[-1]] * (len(texts) - len(rows))]
            cut["max_length"] = int(width)
            tokens = tokenizer([texts[row] for row in filled], padding="max_length", return_tensors="pt", **cut)
            embeddings[rows] = self._features("get_text_features", tokens)[: len(rows)]
        return embeddings

    def _features(self, method: str, inputs: Mapping[str, Any]) -> NDArray[np.float32]:
        import torch

        model = self._model
        placed = {
            name: tensor.to(model.device, model.dtype) if tensor.is_floating_point() else tensor.to(model.device)
            for name, tensor in inputs.items()
        }
        with torch.inference_mode():
            features = getattr(model, method)(**placed)
        return as_array(getattr(features, "pooler_output", features))


def download(repository: str, revision: str | None) -> Path:
    """The snapshot of a model on the hub, from the cache where it is there.

    Raises:
        ModelError: it does not exist, may not be read, or the hub was not reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    named = f"--mieb-model={repository}" + (f" (revision {revision})" if revision else "")
    try:
        folder = Path(snapshot_download(repository, revision=revision, ignore_patterns=[*_OTHER_FRAMEWORKS, "*.bin"]))
        if not list(folder.rglob("*.safetensors")):
            snapshot_download(repository, revision=revision, ignore_patterns=list(_OTHER_FRAMEWORKS))
        return folder
    except GatedRepoError as error:
        raise ModelError(f"{named}: gated; accept its terms on the hub and log in with `hf auth login`") from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{named}: no such revision; check --mieb-revision") from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"{named}: not on the hub, or private; check the id, or log in with `hf auth login`"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{named}: the hub was not reached and the model is not cached; go online once, or give a local folder"
        ) from error


def load(
    folder: Path,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    trust_remote_code: bool = False,
    image_statistics: Mapping[str, Sequence[float]] | None = None,
) -> DualEncoder:
    """Load a Hugging Face folder.

    `image_statistics` replaces attributes of the image processor (image_mean, image_std).

    Raises:
        ModelError: the folder holds no model of a known family, or one without all its weights.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel, AutoProcessor

    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder; give one that save_pretrained wrote")
    if not (folder / "config.json").is_file():
        found = ", ".join(sorted(entry.name for entry in folder.iterdir())[:8]) or "nothing"
        raise ModelError(f"{folder}: no config.json among {found}; give a folder that save_pretrained wrote")
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: config.json cannot be used: {_first_line(error)}") from error
    if config.model_type not in PADDING:
        raise ModelError(
            f"{folder}: a model of type {config.model_type!r}; loaded are {', '.join(PADDING)}. "
            "For another one write a factory and give --mieb-model=package.module:factory"
        )
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise ModelError(f"{folder}: no tokenizer ({', '.join(_TOKENIZERS)}); save the processor beside the weights")
    try:
        model, info = AutoModel.from_pretrained(
            folder, dtype=getattr(torch, dtype), output_loading_info=True, trust_remote_code=trust_remote_code
        )
        processor = AutoProcessor.from_pretrained(folder, backend=IMAGE_BACKEND, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder}: cannot be loaded: {_first_line(error)}") from error
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[kind]:
            some = ", ".join(str(key) for key in sorted(info[kind], key=str)[:3])
            raise ModelError(
                f"{folder}: weights and config.json do not fit: {len(info[kind])} {kind.replace('_', ' ')} ({some} ...)"
            )
    for name, value in (image_statistics or {}).items():
        setattr(processor.image_processor, name, list(value))
    model = model.eval().to(device)
    return DualEncoder(model, processor, _fingerprint(folder, processor, device, dtype))


def _fingerprint(folder: Path, processor: Any, device: str, dtype: str) -> str:
    """Hash of the files of the model, its resolved preprocessing, and the libraries and device that compute."""
    import torch
    import torchvision
    import transformers

    digest = blake2b(digest_size=16)
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"):
        digest.update(file.relative_to(folder).as_posix().encode())
        with open(file, "rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    resolved = {
        "image": processor.image_processor.to_dict(),
        "backend": IMAGE_BACKEND,
        "device": torch.device(device).type,
        "dtype": dtype,
        "versions": [torch.__version__, torchvision.__version__, transformers.__version__],
    }
    digest.update(json.dumps(resolved, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
