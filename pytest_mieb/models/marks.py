"""By which words and files a family is known that its configuration does not name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

# VISTA's weights come without a configuration; their name says what they are.
VISUALIZED = "[Vv]isualized_*.pth"


class Tuned(NamedTuple):
    """A family that is a multimodal LLM like others of its type, tuned to embed: told by what only it has.

    `named` is found in what its configuration and its card say of themselves, `files` among those beside it. `others`
    is the family of the others; None where there is none for them.
    """

    family: str
    title: str
    named: re.Pattern[str]
    files: tuple[str, ...] = ()
    others: str | None = "mllm"


TUNED: Mapping[str, Tuned] = {
    "llava_next": Tuned("e5v", "E5-V", re.compile(r"(?<![a-z0-9])e5-?v(?![a-z0-9])", re.IGNORECASE)),
    "qwen2_vl": Tuned(
        "gme",
        "GME",
        re.compile(r"(?<![a-z0-9])gme[-_]?qwen2", re.IGNORECASE),
        ("gme_inference.py", "modeling_gme_qwen2vl.py"),
    ),
    "phi3_v": Tuned("vlm2vec", "VLM2Vec", re.compile("vlm2vec", re.IGNORECASE), others=None),
}
