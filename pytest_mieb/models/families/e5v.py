"""E5-V: LLaVA-NeXT, asked to sum its input up in one word (Jiang et al. 2024, arXiv:2407.12580)."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.families.mllm import IMAGE, TEXT, load_prompted
from pytest_mieb.models.request import Request

_TURN = "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n \n"
PROMPTS: Mapping[str, str] = {
    "text_prompt": _TURN.format(f"{TEXT}\nSummary above sentence in one word: "),
    "image_prompt": _TURN.format(f"{IMAGE}\nSummary above image in one word: "),
    "both_prompt": _TURN.format(
        f'[INST] {IMAGE} Modify this image with "{TEXT}" Describe modified image in one word: [/INST]'
    ),
}


def load(request: Request) -> Embedder:
    """Load E5-V, or another LLaVA-NeXT. Raises ModelError."""
    return load_prompted(request, PROMPTS, "E5-V")
