"""From inputs to embeddings: looked up, or computed once."""

from pytest_mieb.embedding.claims import CLAIMS, Claims
from pytest_mieb.embedding.errors import EmbeddingError
from pytest_mieb.embedding.generations import generation
from pytest_mieb.embedding.inventory import LABEL, contents, label
from pytest_mieb.embedding.pipeline import Counts, Pipeline, Wanted
from pytest_mieb.embedding.shared import Shared, SharedError
from pytest_mieb.embedding.store import Store, folder_of

__all__ = [
    "CLAIMS",
    "LABEL",
    "Claims",
    "Counts",
    "EmbeddingError",
    "Pipeline",
    "Shared",
    "SharedError",
    "Store",
    "Wanted",
    "contents",
    "folder_of",
    "generation",
    "label",
]
