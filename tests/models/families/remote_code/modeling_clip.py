"""Code that comes with a model: what jina-clip's has to call, and its habits of loading; written for the tests."""

import numpy as np
import torch
from torch import nn
from transformers import AutoTokenizer, PreTrainedModel

from .configuration_clip import JinaCLIPConfig


class JinaCLIPModel(PreTrainedModel):
    config_class = JinaCLIPConfig

    def __init__(self, config):
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.projection_dim)
        self.order = nn.Linear(config.projection_dim, config.projection_dim)
        self.pixels = nn.Linear(3 * config.side**2, config.projection_dim)
        self.tokenizer = None
        self.post_init()

    @classmethod
    def from_pretrained(cls, *args, **keywords):
        if "torch_dtype" not in keywords:
            keywords["torch_dtype"] = "auto"
        return super().from_pretrained(*args, **keywords)

    def _init_weights(self, module):
        for weight in module.parameters(recurse=False):
            nn.init.normal_(weight)

    @torch.inference_mode()
    def encode_text(
        self,
        sentences,
        batch_size=32,
        show_progress_bar=None,
        convert_to_numpy=True,
        convert_to_tensor=False,
        normalize_embeddings=True,
        **cut,
    ):
        if self.tokenizer is None:
            self.tokenizer = AutoTokenizer.from_pretrained(self.config._name_or_path, trust_remote_code=True)
        cut = {"padding": True, "truncation": True, "max_length": 512} | cut
        vectors = []
        for start in range(0, len(sentences), batch_size):
            tokens = self.tokenizer(sentences[start : start + batch_size], return_tensors="pt", **cut).to(self.device)
            read = tokens["attention_mask"][..., None].to(self.dtype)
            inner = torch.tanh(self.order(self.words(tokens["input_ids"])))
            vectors.append((inner * read).sum(1) / read.sum(1))
        return self._given(torch.cat(vectors), normalize_embeddings, convert_to_tensor)

    @torch.inference_mode()
    def encode_image(
        self,
        images,
        batch_size=32,
        show_progress_bar=None,
        convert_to_numpy=True,
        convert_to_tensor=False,
        normalize_embeddings=True,
    ):
        side = self.config.side
        vectors = []
        for start in range(0, len(images), batch_size):
            rgb = [image.convert("RGB") for image in images[start : start + batch_size]]
            small = [np.asarray(image.resize((side, side)), np.float32) for image in rgb]
            pixels = torch.from_numpy(np.stack(small)).to(self.device, self.dtype) / 255
            vectors.append(self.pixels(pixels.flatten(1)))
        return self._given(torch.cat(vectors), normalize_embeddings, convert_to_tensor)

    @staticmethod
    def _given(vectors, normalize, as_tensor):
        vectors = nn.functional.normalize(vectors, dim=-1) if normalize else vectors
        return vectors if as_tensor else vectors.float().cpu().numpy()
