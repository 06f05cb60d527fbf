"""BLIP and BLIP-2 small enough to build in a test, saved by the classes that saved the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PIXELS = 32
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_PIECES = "abcdefghijklmnopqrstuvwxyz0123456789.,<>犬走るв"


def bert_tokenizer(**keywords: Any) -> Any:
    from transformers import BertTokenizer

    words = ("dog", "image", "photo", *_PIECES, *(f"##{piece}" for piece in _PIECES))
    vocab = {piece: number for number, piece in enumerate((*_SPECIAL, *words))}
    return BertTokenizer(vocab=vocab, model_max_length=512, **keywords)


def build_blip(folder: Path, class_name: str = "BlipForImageTextRetrieval") -> Path:
    """Write a BLIP of 24 dimensions, as the class named saves itself, and return its folder."""
    import transformers

    tokenizer = bert_tokenizer()
    ids = {"pad_token_id": 0, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
    config = transformers.BlipConfig(
        text_config=TOWER | ids | {"vocab_size": len(tokenizer), "max_position_embeddings": 512},
        vision_config=TOWER | {"image_size": PIXELS, "patch_size": 16},
        image_text_hidden_size=24,
        initializer_range=0.3,  # what a checkpoint lacks is drawn with it; by default the text encoder collapses
    )
    text = config.text_config
    assert isinstance(text, transformers.BlipTextConfig)
    text.encoder_hidden_size, text.initializer_range = TOWER["hidden_size"], 0.3
    images = transformers.BlipImageProcessor(size={"height": PIXELS, "width": PIXELS})
    model = getattr(transformers, class_name)(config)
    return _saved(model, transformers.BlipProcessor(images, tokenizer), folder)


def build_blip2(folder: Path, class_name: str = "Blip2ForImageTextRetrieval") -> Path:
    """Write a BLIP-2 of 32 dimensions with 4 query tokens, as the class named saves itself, and return its folder."""
    import transformers

    tokenizer = bert_tokenizer(bos_token="[DEC]")
    retrieves = class_name == "Blip2ForImageTextRetrieval"
    config = transformers.Blip2Config(
        vision_config=TOWER | {"image_size": PIXELS, "patch_size": 16},
        qformer_config=TOWER | {"vocab_size": len(tokenizer), "use_qformer_text_input": retrieves},
        text_config=transformers.OPTConfig(
            hidden_size=32,
            ffn_dim=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            vocab_size=80,
            word_embed_proj_dim=32,
        ),
        num_query_tokens=4,
        image_text_hidden_size=24,
    )
    images = transformers.BlipImageProcessor(size={"height": PIXELS, "width": PIXELS})
    model = getattr(transformers, class_name)(config)
    return _saved(model, transformers.Blip2Processor(images, tokenizer, num_query_tokens=4), folder)


def _saved(model: Any, processor: Any, folder: Path) -> Path:
    import torch

    torch.manual_seed(0)
    with torch.no_grad():  # as initialised, BLIP's pictures are all alike, and BLIP-2's query tokens are zero
        for weight in model.parameters():
            if weight.ndim == 1:
                weight.add_(torch.randn_like(weight), alpha=0.1)
            else:
                weight.normal_(0, 0.3)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
