"""From the text after `--mieb-model` to a loaded embedder."""
