"""A pytest plugin that runs MIEB, the Massive Image Embedding Benchmark, as a regression gate."""

__version__ = "0.1.0"

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_mieb.models.embedder import Embedder, FunctionEmbedder

__all__ = ["Embedder", "FunctionEmbedder", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are asked for: the plugin is in every pytest session, and must cost nothing."""
    if name in ("Embedder", "FunctionEmbedder"):
        from pytest_mieb.models import embedder

        return getattr(embedder, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
