"""A pytest plugin that runs MIEB, the Massive Image Embedding Benchmark, as a regression gate."""

__version__ = "0.1.0"
