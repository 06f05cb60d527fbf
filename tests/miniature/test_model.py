"""The model that travels with the package is small and loads like any other."""

from __future__ import annotations

import subprocess
import sys

from pytest_mieb.miniature import MODEL_DIR

HEAVY = ("torch", "PIL", "datasets", "transformers", "numpy", "sklearn")


def test_package_is_light_to_import() -> None:
    code = f"import sys, pytest_mieb.miniature; print([m for m in {HEAVY} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


def test_size_on_disk() -> None:
    assert sum(file.stat().st_size for file in MODEL_DIR.iterdir()) < 8_000_000


def test_loads_and_embeds() -> None:
    import torch
    from PIL import Image
    from transformers import AutoModel, AutoProcessor

    model, loading = AutoModel.from_pretrained(MODEL_DIR, dtype=torch.float32, output_loading_info=True)
    processor = AutoProcessor.from_pretrained(MODEL_DIR)
    assert not loading["missing_keys"]
    assert sum(parameter.numel() for parameter in model.parameters()) < 3_000_000
    ready = processor(
        text=["red circle", "deux étoiles bleues sur le sable"],
        images=[Image.new("RGB", (80, 60), "red")],
        padding=True,
        truncation=True,
        return_tensors="pt",
    )
    with torch.inference_mode():
        texts = model.get_text_features(input_ids=ready["input_ids"], attention_mask=ready["attention_mask"])
        images = model.get_image_features(pixel_values=ready["pixel_values"])
    assert texts.pooler_output.shape[0] == 2
    assert images.pooler_output.shape[-1] == texts.pooler_output.shape[-1]
    assert torch.isfinite(images.pooler_output).all()
