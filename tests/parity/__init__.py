"""The reference implementation and ours, side by side on the same data: `python -m tests.parity`.

Each task is scored by `mteb` and by us, both reading the same datasets from one hub on localhost, with two models: the
miniature's CLIP and a random SigLIP, each loaded by the reference's own wrapper and by ours.

    own    each side runs the model: the whole way from the dataset to the score
    same   both score our embeddings: the protocols alone, to the last digit

`embeddings.py` shows, item by item, that both sides embed the same; where no bit of a task's embeddings differs, the
first run is the second one, too. `comparison.py` holds the tolerances and the differences that are known.
"""
