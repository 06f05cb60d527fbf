"""Configurations that come with a model, written for the tests."""

from typing import Any

from transformers import CLIPConfig, PretrainedConfig


class TowerConfig(CLIPConfig):
    model_type = "tower"


class GridConfig(PretrainedConfig):
    model_type = "grid"

    def __init__(self, hidden_size: int = 16, patch_size: int = 16, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.hidden_size = hidden_size
        self.patch_size = patch_size
