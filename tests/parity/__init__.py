"""The reference implementation and ours, side by side on the same data: `python -m tests.parity`.

Each task is scored by `mteb` and by us, both reading the same datasets from one hub on localhost, with four models: the
miniature's CLIP, and a SigLIP, an open_clip model and a DINOv2 with random weights, each loaded by the reference's own
wrapper and by ours. The DINOv2 does the tasks that need no text.

    own    each side runs the model: the whole way from the dataset to the score
    same   both score our embeddings: the protocols alone, to the last digit

`embeddings.py` shows, item by item, that both sides embed the same; where no bit of a task's embeddings differs, the
first run is the second one, too. `comparison.py` holds the tolerances and the differences that are known.
"""
