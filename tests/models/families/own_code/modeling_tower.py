"""Models that come as code: a CLIP by another name, and one of pictures alone; written for the tests."""

import os

from torch import Tensor, nn
from transformers import CLIPModel, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from .configuration_tower import GridConfig, TowerConfig

os.environ["OWN_CODE_WAS_RUN"] = "yes"


class TowerModel(CLIPModel):
    config_class = TowerConfig


class GridModel(PreTrainedModel):
    config_class = GridConfig
    main_input_name = "pixel_values"

    def __init__(self, config: GridConfig) -> None:
        super().__init__(config)
        self.patches = nn.Conv2d(3, config.hidden_size, config.patch_size, config.patch_size)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        for weight in module.parameters(recurse=False):
            nn.init.normal_(weight)

    def forward(self, pixel_values: Tensor) -> BaseModelOutputWithPooling:
        hidden = self.patches(pixel_values).flatten(2).transpose(1, 2)
        return BaseModelOutputWithPooling(last_hidden_state=hidden, pooler_output=hidden.amax(dim=1))
