"""A decoder that puts a vision tower's features where the token ids are negative."""

import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from .configuration_phi3_v import Phi3VConfig


class Phi3VPreTrainedModel(PreTrainedModel):
    config_class = Phi3VConfig
    base_model_prefix = "model"
    _supports_sdpa = False


class ImageEmbedding(nn.Module):
    def __init__(self, config, wte):
        super().__init__()
        self.wte = wte
        tower = CLIPVisionConfig(**config.img_processor)
        self.img_processor = CLIPVisionModel(tower)
        self.img_projection = nn.Linear(tower.hidden_size, config.hidden_size)

    def forward(self, input_ids, pixel_values, image_sizes):
        side = self.img_processor.config.image_size
        crops = int(image_sizes.prod()) // side**2 + 1
        features = self.img_processor(pixel_values[0, :crops], output_hidden_states=True).hidden_states[-2][:, 1:]
        vectors = self.wte(input_ids.clamp(min=0))
        vectors[input_ids < 0] = self.img_projection(features).flatten(0, 1)
        return vectors


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads = config.num_attention_heads
        self.norm = nn.LayerNorm(config.hidden_size)
        self.qkv_proj = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=False)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(self, hidden, mask):
        n, length, width = hidden.shape
        heads = self.qkv_proj(self.norm(hidden)).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = heads[0] @ heads[1].transpose(-1, -2) / heads.shape[-1] ** 0.5 + mask
        mixed = (scores.softmax(dim=-1) @ heads[2]).transpose(1, 2).reshape(n, length, width)
        return hidden + self.o_proj(mixed)


class Phi3VModel(Phi3VPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.vision_embed_tokens = ImageEmbedding(config, self.embed_tokens)
        self.layers = nn.ModuleList([Layer(config) for _ in range(config.num_hidden_layers)])
        self.norm = nn.LayerNorm(config.hidden_size)
        self.post_init()

    def forward(self, input_ids, attention_mask, pixel_values=None, image_sizes=None):
        if pixel_values is None:
            vectors = self.embed_tokens(input_ids)
        else:
            vectors = self.vision_embed_tokens(input_ids, pixel_values, image_sizes)
        length = input_ids.shape[1]
        steps = torch.arange(1, vectors.shape[-1] + 1, device=vectors.device).float()
        places = torch.arange(length, device=vectors.device)[:, None] * steps
        hidden = vectors + places.sin().to(vectors)
        seen = (
            torch.ones(length, length, dtype=torch.bool, device=vectors.device).tril() & attention_mask[:, None].bool()
        )
        mask = torch.zeros(seen.shape, dtype=vectors.dtype).masked_fill(~seen, torch.finfo(vectors.dtype).min)[:, None]
        states = []
        for layer in self.layers:
            states.append(hidden)
            hidden = layer(hidden, mask)
        return (*states, self.norm(hidden))


class Phi3VForCausalLM(Phi3VPreTrainedModel):
    _tied_weights_keys = ["lm_head.weight"]  # noqa: RUF012

    def __init__(self, config):
        super().__init__(config)
        self.model = Phi3VModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        pixel_values=None,
        image_sizes=None,
        use_cache=None,
        output_hidden_states=None,
        return_dict=None,
    ):
        states = self.model(input_ids, attention_mask, pixel_values, image_sizes)
        return CausalLMOutputWithPast(logits=self.lm_head(states[-1]), hidden_states=states)
