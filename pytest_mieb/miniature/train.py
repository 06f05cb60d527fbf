"""Train the miniature's model from nothing, on a CPU, in less than half an hour.

    python -m pytest_mieb.miniature.train --output DIR

A small CLIP (64 pixels, patches of 8) learns by one contrastive loss over all kinds of lessons at once: the query is
the sum of its image's and its text's embedding, as the suite adds up interleaved items for models of this family.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pytest_mieb.miniature.lessons import LESSONS, SIDE, Example, lessons

MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)
SPECIAL = {"pad_token": "<|pad|>", "bos_token": "<|start|>", "unk_token": "<|unknown|>", "eos_token": "<|end|>"}
MAX_TOKENS = 48
CHUNK = 200


def teach_tokenizer(texts: Sequence[str], vocabulary: int = 3600) -> Any:
    """A byte-level BPE over the world's texts, lower case, framed by start and end."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL["unk_token"]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    frame = [(token, tokenizer.token_to_id(token)) for token in (SPECIAL["bos_token"], SPECIAL["eos_token"])]
    single = f"{SPECIAL['bos_token']} $A {SPECIAL['eos_token']}"
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=frame)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_TOKENS,
        padding_side="right",
        model_input_names=["input_ids", "attention_mask"],
        **SPECIAL,
    )


def new_model(tokenizer: Any) -> Any:
    from transformers import CLIPConfig, CLIPModel

    common = {"hidden_size": 128, "intermediate_size": 256, "num_attention_heads": 4, "hidden_act": "gelu"}
    text = {
        **common,
        "vocab_size": len(tokenizer),
        "num_hidden_layers": 2,
        "max_position_embeddings": MAX_TOKENS,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {**common, "num_hidden_layers": 3, "image_size": SIDE, "patch_size": 8}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=128))


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Weights in half precision, processor and tokenizer, as `AutoModel` and `AutoProcessor` read them."""
    from transformers import CLIPImageProcessor, CLIPProcessor

    size = {"height": SIDE, "width": SIDE}
    images = CLIPImageProcessor(
        size=size, do_center_crop=False, crop_size=size, resample=3, image_mean=list(MEAN), image_std=list(STD)
    )
    copy.deepcopy(model).half().save_pretrained(folder)
    CLIPProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)


def prepare(per_unit: int, processes: int) -> dict[str, list[list[Example]]]:
    """All lessons, drawn beforehand: `per_unit` times as many of a kind as one step takes."""
    jobs = [
        (kind, start, min(start + CHUNK, n * per_unit))
        for kind, (_, n) in LESSONS.items()
        for start in range(0, n * per_unit, CHUNK)
    ]
    found: dict[str, list[list[Example]]] = {kind: [] for kind in LESSONS}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for (kind, _, _), some in zip(jobs, pool.map(lessons, *zip(*jobs, strict=True)), strict=True):
            found[kind] += some
    return found


def batches(pool: dict[str, list[list[Example]]], rng: random.Random) -> Iterator[list[Example]]:
    """Endless batches, every kind in its share, every lesson once before any comes again."""
    waiting: dict[str, list[list[Example]]] = {kind: [] for kind in pool}
    while True:
        batch: list[Example] = []
        for kind, (_, n) in LESSONS.items():
            if len(waiting[kind]) < n:
                waiting[kind] = rng.sample(pool[kind], len(pool[kind]))
            for _ in range(n):
                batch += waiting[kind].pop()
        yield batch


class Encoder:
    """Embeds the images and texts of a batch, each distinct text once."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.mean = torch.tensor(MEAN).view(1, 3, 1, 1)
        self.std = torch.tensor(STD).view(1, 3, 1, 1)

    def images(self, pixels: Sequence[np.ndarray], shift: bool) -> torch.Tensor:
        values = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255
        if shift:
            dx, dy = (int(torch.randint(-2, 3, ())) for _ in range(2))
            values = torch.roll(values, (dx, dy), (2, 3))
        return self.model.get_image_features(pixel_values=(values - self.mean) / self.std).pooler_output

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        ids = self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")["input_ids"]
        return self.model.get_text_features(input_ids=ids).pooler_output

    def loss(self, batch: Sequence[Example]) -> torch.Tensor:
        """Symmetric InfoNCE; pairs with the same target text count as neither right nor wrong."""
        pixels: list[np.ndarray] = []
        texts: dict[str, int] = {}
        rows: list[list[int]] = [[], [], [], [], []]
        for example in batch:
            for row, picture in ((0, example.query_image), (1, example.image)):
                rows[row].append(-1 if picture is None else len(pixels))
                pixels += [] if picture is None else [picture]
            for row, text in ((2, example.query_text), (3, example.text), (4, example.wrong)):
                rows[row].append(-1 if text is None else texts.setdefault(text, len(texts)))
        nothing = torch.zeros(1, self.model.config.projection_dim)
        seen = torch.cat([self.images(pixels, shift=True), nothing])
        said = torch.cat([self.texts(list(texts)), nothing])
        asked_seen, wanted_seen, asked_said, wanted_said, wrong_said = (torch.tensor(row) for row in rows)
        query = torch.nn.functional.normalize(seen[asked_seen] + said[asked_said], dim=-1)
        target = torch.nn.functional.normalize(seen[wanted_seen] + said[wanted_said], dim=-1)
        scale = self.model.logit_scale.clamp(max=math.log(60)).exp()
        logits = scale * query @ target.T
        alike = (wanted_said[:, None] == wanted_said[None, :]) & (wanted_said >= 0)[:, None]
        right = torch.arange(len(batch))
        logits = logits.masked_fill(alike & (right[:, None] != right[None, :]), -1e4)
        hard = wrong_said >= 0
        wrong = torch.nn.functional.normalize(said[wrong_said] + 1e-6, dim=-1)
        extra = (scale * (query * wrong).sum(-1)).masked_fill(~hard, -1e4)
        forth = torch.nn.functional.cross_entropy(torch.cat([logits, extra[:, None]], 1), right)
        back = torch.nn.functional.cross_entropy(logits.T, right)
        margin = torch.nn.functional.softplus((extra - logits.diagonal())[hard]).mean()
        return forth + back + 0.5 * margin


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def train(output: Path, steps: int, per_unit: int, processes: int, minutes: float, peak: float = 1.5e-3) -> None:
    torch.manual_seed(0)
    start = time.monotonic()
    pool = prepare(per_unit, processes)
    examples = [example for some in pool.values() for lesson in some for example in lesson]
    texts = [text for e in examples for text in (e.query_text, e.text, e.wrong) if text]
    tokenizer = teach_tokenizer(texts)
    model = new_model(tokenizer)
    size = sum(p.numel() for p in model.parameters())
    tell(f"{size:,} parameters, {len(texts):,} texts, drawn in {time.monotonic() - start:.0f} s")
    encoder = Encoder(model, tokenizer)
    optimiser = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.05)
    model.train()
    begun = time.monotonic()
    losses: list[float] = []
    for step, batch in zip(range(1, steps + 1), batches(pool, random.Random(0)), strict=False):
        done = max(step / steps, (time.monotonic() - begun) / (60 * minutes))
        rate = peak * min(step / 60, 0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)) + 0.01)
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = encoder.loss(batch)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
        if step % 25 == 0:
            tell(f"{step:5d} loss {np.mean(losses[-25:]):.3f} {time.monotonic() - start:5.0f} s")
        if step % 200 == 0 or done >= 1:
            save(model.eval(), tokenizer, output)
            model.train()
        if done >= 1:
            break
    (output / "TRAINING.json").write_text(json.dumps({"steps": step, "loss": float(np.mean(losses[-50:]))}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pytest_mieb.miniature.train", description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--minutes", type=float, default=22, help="wind down when so much time is over, done or not")
    parser.add_argument("--lessons", type=int, default=120, help="lessons drawn, in steps' worth")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    train(arguments.output, arguments.steps, arguments.lessons, arguments.processes, arguments.minutes)


if __name__ == "__main__":
    main()
