"""jina-clip-v1, by the code that its repository names; nothing of it runs unless the user allows it.

Koukounas et al., "Jina CLIP: Your CLIP Model Is Also Your Text Retriever", 2024. Its config.json names modules of a
second repository, and those fetch a third one's by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.rgb import ImageMode
from pytest_mieb.models.embedder import Embedder, as_array
from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.files.hub import read_json
from pytest_mieb.models.files.refusing import as_model_errors
from pytest_mieb.models.local import LocalEmbedder, described, load_transformers, placed
from pytest_mieb.models.request import Request

if TYPE_CHECKING:
    from PIL.Image import Image

# Of jinaai/jina-clip-implementation; without it transformers takes whatever is newest there.
CODE_REVISION = "39e6a55ae971b59bea6e44675d237c99762e7ee2"
MAX_LENGTH = 512
_REMOTE = "transformers_modules."
_SHOWN = ("size", "interpolation", "resize_mode", "mean", "std")


class JinaClip(LocalEmbedder):
    """`encode_image` and `encode_text` of the model's own, which prepare the inputs and give vectors of length 1."""

    image_mode: ImageMode = "RGB"

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return as_array(self._model.encode_image(list(images), **_plainly(images)))

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        cut = {"padding": True, "truncation": True, "max_length": MAX_LENGTH}
        return as_array(self._model.encode_text(list(texts), **_plainly(texts), **cut))


def load(request: Request) -> Embedder:
    """Load a Hugging Face folder with the code that it names. Raises ModelError."""

    if not request.trust_remote_code:
        raise ModelError(
            f"--mieb-model={request.spec}: jina-clip comes with Python code of its own; read it, and if you trust it, "
            "allow it to run with --mieb-trust-remote-code"
        )
    request.only(("code_revision",))
    request.alone()
    revision = request.options.get("code_revision", CODE_REVISION)
    try:
        model = _run(request, revision)
    except ModelError as error:
        if not isinstance(error.__cause__, (ImportError, AttributeError)):
            raise
        import transformers

        raise ModelError(
            f"{error}; the code at revision {revision} does not run with transformers {transformers.__version__}: name "
            "one that does with --mieb-model-arg=code_revision=..., or write a factory and give "
            "--mieb-model=package.module:factory"
        ) from error
    lacking = [name for name in ("encode_image", "encode_text") if not hasattr(model, name)]
    if lacking:
        raise ModelError(
            f"{request.path}: {type(model).__name__} is no jina-clip: it has no {' and no '.join(lacking)}"
        )
    model = placed(model, request)
    prepared = request.path / "preprocessor_config.json"
    settings = read_json(prepared) if prepared.is_file() else {}
    return JinaClip(
        model,
        *described(
            request,
            family="Jina CLIP",
            architecture=type(model).__name__,
            dimension=as_array(model.encode_text(["a photo"], **_plainly(["a photo"]))).shape[1],
            preprocessing={name: settings[name] for name in _SHOWN if settings.get(name) is not None}
            | {"image processor": "the model's own code", "text padding": f"longest {MAX_LENGTH}", "pooling": "L2"},
            resolved={"code": _code_of(model), "code_revision": revision},
            warnings=_unpinned(model),
        ),
    )


def _run(request: Request, revision: str) -> Any:
    """The model, of the class that config.json names: AutoModel takes another folder's, once that was loaded."""
    from transformers import AutoConfig
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    named = read_json(request.path / "config.json").get("auto_map", {}).get("AutoModel")
    if not named:
        raise ModelError(f"{request.path}: config.json names no code (auto_map), and jina-clip has no other")
    with as_model_errors(request.path):
        config = AutoConfig.from_pretrained(request.path, trust_remote_code=True, code_revision=revision)
        model_class = get_class_from_dynamic_module(named, str(request.path), code_revision=revision)
    return load_transformers(model_class, request, config=config)[0]


def _plainly(items: Sequence[Any]) -> dict[str, Any]:
    return {"batch_size": len(items), "convert_to_tensor": True, "convert_to_numpy": False, "show_progress_bar": False}


def _code_of(model: Any) -> list[str]:
    """The modules that were fetched and run; for a repository their names hold its commit, for a folder their hash."""
    return sorted({name for each in model.modules() if (name := type(each).__module__).startswith(_REMOTE)})


def _unpinned(model: Any) -> tuple[str, ...]:
    """What is known of code that the model's code fetched by itself, at no revision that could be named."""
    text = getattr(getattr(model.config, "text_config", None), "hf_model_name_or_path", None)
    if not text:
        return ()
    return (f"its code takes that of its text tower from {text}, as it is there now: no revision of that is pinned",)
