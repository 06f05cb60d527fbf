"""What it saves to batch texts by their tokens: `python -m benchmarks.text_order [--texts FILE] [--passages N]`.

Passages of about a hundred words, or the lines of a file, go through the pipeline and a text encoder of random weights,
once ordered by their characters and once by their tokens. By default they are the docstrings of installed libraries,
and the tokenizer is trained on them.
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.embedding import Pipeline
from pytest_mieb.models import FunctionEmbedder
from pytest_mieb.models.batching import embed_by_length, token_lengths

MAX_LENGTH = 512
SIZE: dict[str, Any] = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 4, "num_attention_heads": 4}
VOCABULARY = 16384


class Encoder(FunctionEmbedder):
    """A small BERT that counts what it computes."""

    def __init__(self, tokenizer: Any, *, by_tokens: bool) -> None:
        from transformers import BertConfig, BertModel

        super().__init__(texts=self._embed_all, dimension=SIZE["hidden_size"])
        config = BertConfig(vocab_size=VOCABULARY, max_position_embeddings=MAX_LENGTH, **SIZE)
        self._tokenizer, self._by_tokens = tokenizer, by_tokens
        self._model = BertModel(config).eval()
        self.passes = self.computed = 0

    def text_lengths(self, texts: Sequence[str]) -> Sequence[int]:
        return token_lengths(self._tokenizer, texts, MAX_LENGTH) if self._by_tokens else super().text_lengths(texts)

    def _embed_all(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return embed_by_length(self._tokenizer, texts, MAX_LENGTH, self._embed)

    def _embed(self, tokens: Mapping[str, Any]) -> NDArray[np.float32]:
        import torch

        self.passes += 1
        self.computed += tokens["input_ids"].numel()
        with torch.inference_mode():
            hidden = self._model(tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state
        embeddings: NDArray[np.float32] = hidden[:, 0].numpy()
        return embeddings


def docstrings() -> Iterator[str]:
    """Paragraphs of prose from libraries that are there anyway, in passages of about a hundred words."""
    import numpy
    import scipy.stats
    import sklearn.cluster
    import sklearn.linear_model
    import torch

    words: list[str] = []
    for module in (numpy, torch, torch.nn, scipy.stats, sklearn.cluster, sklearn.linear_model):
        for name in sorted(vars(module)):
            documented = inspect.getdoc(getattr(module, name)) or ""
            for paragraph in re.split(r"\n\s*\n", documented):
                words += paragraph.split()
                if len(words) > 100:
                    yield " ".join(words)
                    words = []


def trained_tokenizer(texts: Iterable[str]) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=["[UNK]", "[PAD]"], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, help="a file with a text a line; default: docstrings")
    parser.add_argument("--passages", type=int, default=1000)
    options = parser.parse_args()
    found = options.texts.read_text(encoding="utf-8").splitlines() if options.texts else docstrings()
    texts = list(dict.fromkeys(found))[: options.passages]
    tokenizer = trained_tokenizer(texts)
    held = sum(token_lengths(tokenizer, texts, MAX_LENGTH))
    print(f"{len(texts)} texts of {held} tokens, batches of 64")
    print(f"{'ordered by':>10} {'passes':>7} {'tokens computed':>16} {'seconds':>8}")
    for name, by_tokens in (("characters", False), ("tokens", True)):
        model = Encoder(tokenizer, by_tokens=by_tokens)
        started = perf_counter()
        Pipeline(model).embed(Inputs(texts=texts))
        print(f"{name:>10} {model.passes:>7} {model.computed:>16} {perf_counter() - started:>8.1f}")


if __name__ == "__main__":
    main()
