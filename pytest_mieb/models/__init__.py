"""From the text after `--mieb-model` to a loaded model."""

from pytest_mieb.models.description import Description
from pytest_mieb.models.embedder import Embedder, FunctionEmbedder, Purpose
from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.loading.load import load_embedder
from pytest_mieb.models.loading.parsing import parse_spec
from pytest_mieb.models.spec import ModelSpec

__all__ = [
    "Description",
    "Embedder",
    "FunctionEmbedder",
    "ModelError",
    "ModelSpec",
    "Purpose",
    "load_embedder",
    "parse_spec",
]
