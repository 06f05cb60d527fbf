"""One module a family: `load(request)` gives an `Embedder`."""
