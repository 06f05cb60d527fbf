"""From the text after `--mieb-model` to a loaded model."""

from pytest_mieb.models.embedder import Embedder, FunctionEmbedder, ModelError
from pytest_mieb.models.spec import ModelSpec, load_embedder, parse_spec

__all__ = ["Embedder", "FunctionEmbedder", "ModelError", "ModelSpec", "load_embedder", "parse_spec"]
