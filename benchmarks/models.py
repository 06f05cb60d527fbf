"""Time and memory of MIEB-lite with models of the size of ViT-B/32: `python -m benchmarks.models`.

Models of different families, with random weights, are written to a folder and run on the miniature in a process of
their own each, with an empty store. Scores say nothing; what is measured is what a run costs. Memory is the peak of the
process (resident set), time that of the whole command by the clock, and of the processors: what else a machine does
stretches the first, not the second.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

TEXT: dict[str, Any] = {
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
}
IMAGE = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 32,
}


class Cost(NamedTuple):
    """What one run took."""

    outcome: str
    embedded: str
    seconds: float
    processor: float
    gib: float


def clip(folder: Path) -> None:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    from tests.models.builders import clip_tokenizer

    tokenizer = clip_tokenizer()
    config = CLIPConfig(text_config=TEXT | _ids(tokenizer), vision_config=IMAGE, projection_dim=512)
    _write(folder, CLIPModel(config), CLIPProcessor(CLIPImageProcessor(), tokenizer))


def siglip(folder: Path) -> None:
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipProcessor

    from tests.parity.models import siglip_tokenizer

    tokenizer = siglip_tokenizer(folder)
    text = TEXT | _ids(tokenizer) | {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
    config = SiglipConfig(text_config=text | {"max_position_embeddings": 64}, vision_config=IMAGE)
    processor = SiglipProcessor(SiglipImageProcessor(size={"height": 224, "width": 224}), tokenizer)
    _write(folder, SiglipModel(config), processor)


def open_clip(folder: Path) -> None:
    import open_clip
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    save_file(open_clip.create_model("ViT-B-32").state_dict(), folder / "open_clip_model.safetensors")
    config = {"model_cfg": open_clip.get_model_config("ViT-B-32"), "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))


def dinov2(folder: Path) -> None:
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    crop = {"height": 224, "width": 224}
    processor = BitImageProcessor(size={"shortest_edge": 256}, crop_size=crop)
    _write(folder, Dinov2Model(Dinov2Config(image_size=224, patch_size=32)), processor)


def blip(folder: Path) -> None:
    """With the miniature's tokenizer: its pieces are words, so texts are as short as they would be."""
    import torch
    from transformers import AutoTokenizer, BlipConfig, BlipForImageTextRetrieval, BlipImageProcessor, BlipProcessor

    from pytest_mieb.miniature import MODEL_DIR

    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)
    text = TEXT | _ids(tokenizer) | {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
    text |= {"encoder_hidden_size": IMAGE["hidden_size"], "sep_token_id": tokenizer.eos_token_id}
    model = BlipForImageTextRetrieval(BlipConfig(text_config=text, vision_config=IMAGE))
    with torch.no_grad():  # as initialised, all pictures are alike
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.05)
    _write(folder, model, BlipProcessor(BlipImageProcessor(size={"height": 224, "width": 224}), tokenizer))


def timm(folder: Path) -> None:
    from timm import create_model
    from timm.models import save_for_hf

    save_for_hf(create_model("vit_base_patch32_224"), str(folder), safe_serialization=True)


FAMILIES: dict[str, Callable[[Path], None]] = {
    "clip": clip,
    "siglip": siglip,
    "open_clip": open_clip,
    "dinov2": dinov2,
    "timm": timm,
    "blip": blip,
}


def _ids(tokenizer: Any) -> dict[str, Any]:
    """The small tokenizer's special tokens, in a vocabulary of CLIP's size."""
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {name: getattr(tokenizer, name) for name in names} | {"vocab_size": 49408}


def _write(folder: Path, model: Any, processor: Any) -> None:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def run(folder: Path, work: Path, arguments: list[str]) -> Cost:
    """One run in a process of its own."""
    command = [sys.executable, "-m", "pytest", f"--mieb-model={folder}", "--mieb-data=miniature"]
    command += ["--mieb-baseline=none", f"--mieb-cache={work / 'cache'}", f"--mieb-results={work / 'results'}"]
    started = perf_counter()
    with (work / "log.txt").open("w+") as log:
        process = subprocess.Popen([*command, *arguments], stdout=log, stderr=subprocess.STDOUT, cwd=work)
        _, _, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - started
        log.seek(0)
        said = log.read()
    embedded = re.search(r"([\d,]+) items were embedded", said)
    unit = 1 if sys.platform == "darwin" else 1024
    outcome = said.strip().splitlines()[-1].strip("= ")
    processor = usage.ru_utime + usage.ru_stime
    return Cost(outcome, embedded[1] if embedded else "-", seconds, processor, usage.ru_maxrss * unit / (1 << 30))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", default=",".join(FAMILIES), help="of these; default all, which takes hours")
    parser.add_argument("rest", nargs="*", default=["-m", "lite"], help="of pytest's; default -m lite")
    options = parser.parse_args()
    print("| family | outcome | embedded | time | of processors | peak memory |\n|---|---|---:|---:|---:|---:|")
    for name in options.families.split(","):
        with TemporaryDirectory(prefix="mieb-benchmark-") as temporary:
            work = Path(temporary)
            FAMILIES[name](work / name)
            cost = run(work / name, work, options.rest)
        print(
            f"| {name} | {cost.outcome} | {cost.embedded} | {cost.seconds / 60:.1f} min "
            f"| {cost.processor / 60:.1f} min | {cost.gib:.1f} GiB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
