"""One reader per layout of the hub: a function (task, subset, opener) -> rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pytest_mieb.data.layouts import (
    beir,
    captioned_images,
    cv_bench,
    imagecode,
    labelled,
    memes,
    pairs,
    scimmir,
    sts,
    vidore,
)
from pytest_mieb.data.rows import Rows
from pytest_mieb.data.table import Opener
from pytest_mieb.suite import Task

READERS: Mapping[str, Callable[[Task, str, Opener], Rows]] = {
    "labelled": labelled.read,
    "sts": sts.read,
    "pairs": pairs.read,
    "imagecode": imagecode.read,
    "beir": beir.read,
    "beir_candidates_from_qrels": beir.read_with_candidates,
    "vidore": vidore.read,
    "cv_bench": cv_bench.read,
    "hateful_memes": memes.read_hateful_memes,
    "memotion": memes.read_memotion,
    "scimmir": scimmir.read,
    "captioned_images_per_language": captioned_images.read_captions,
    "sentence_per_image_per_language": captioned_images.read_sentences,
}
