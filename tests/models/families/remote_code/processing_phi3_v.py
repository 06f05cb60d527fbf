"""Cuts a picture into crops; one negative id a patch stands for it between the pieces of the prompt."""

import re

import numpy as np
import torch
import transformers
from transformers import AutoImageProcessor, BatchFeature, ProcessorMixin
from transformers.image_processing_utils import BaseImageProcessor
from transformers.image_transforms import convert_to_rgb

SIDE, PATCHES = 28, 4


class Phi3VImageProcessor(BaseImageProcessor):
    model_input_names = ["pixel_values"]  # noqa: RUF012

    def __init__(self, num_crops=1, image_mean=None, image_std=None, **keywords):
        super().__init__(**keywords)
        self.num_crops = num_crops
        self.image_mean = image_mean or [0.5, 0.5, 0.5]
        self.image_std = image_std or [0.5, 0.5, 0.5]

    def preprocess(self, images, return_tensors=None):
        pixels, sizes = [], []
        for image in map(convert_to_rgb, images):
            wide = max(1, min(self.num_crops, round(image.width / image.height)))
            values = [self._values(image.resize((side * SIDE, SIDE))) for side in (1, wide)]
            crops = torch.cat([part for value in values for part in value[None].split(SIDE, dim=-1)])
            pixels.append(torch.cat([crops, torch.zeros(self.num_crops - wide, 3, SIDE, SIDE)]))
            sizes.append([SIDE, wide * SIDE])
        tokens = [(width // SIDE + 1) * PATCHES for _, width in sizes]
        content = {"pixel_values": torch.stack(pixels), "image_sizes": sizes, "num_img_tokens": tokens}
        return BatchFeature(content, tensor_type=return_tensors)

    def _values(self, image):
        values = (np.asarray(image.convert("RGB"), dtype=np.float32) / 255 - self.image_mean) / self.image_std
        return torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1)


AutoImageProcessor.register("Phi3VImageProcessor", Phi3VImageProcessor)
transformers.Phi3VImageProcessor = Phi3VImageProcessor


class Phi3VProcessor(ProcessorMixin):
    attributes = ["image_processor", "tokenizer"]  # noqa: RUF012
    image_processor_class = "Phi3VImageProcessor"
    tokenizer_class = ("LlamaTokenizer", "LlamaTokenizerFast")

    def __init__(self, image_processor, tokenizer):
        self.image_processor = image_processor
        self.tokenizer = tokenizer
        self.num_img_tokens = image_processor.num_img_tokens

    def __call__(self, text, images=None, padding=False, truncation=None, max_length=None, return_tensors="pt"):
        if images is None:
            return self.tokenizer(
                text, padding=padding, truncation=truncation, max_length=max_length, return_tensors=return_tensors
            )
        images = images if isinstance(images, list) else [images]
        found = self.image_processor(images, return_tensors=return_tensors)
        tags = re.findall(r"<\|image_\d+\|>", text)
        assert len(tags) == len(images), f"{len(tags)} tags for {len(images)} images"
        ids = []
        for place, piece in enumerate(re.split(r"<\|image_\d+\|>", text)):
            ids += [-place] * int(found["num_img_tokens"][place - 1]) if place else []
            ids += self.tokenizer(piece).input_ids
        ids = torch.tensor([ids])
        return BatchFeature(
            {
                "input_ids": ids,
                "attention_mask": torch.ones_like(ids),
                "pixel_values": found["pixel_values"],
                "image_sizes": found["image_sizes"],
            }
        )
