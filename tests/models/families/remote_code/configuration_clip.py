"""Code that comes with a model, as jina-clip's does; written for the tests, far smaller."""

from transformers import PretrainedConfig


class JinaCLIPConfig(PretrainedConfig):
    model_type = "jina_clip"

    def __init__(self, vocab_size=100, projection_dim=24, side=16, hf_model_name_or_path=None, **keywords):
        self.vocab_size = vocab_size
        self.projection_dim = projection_dim
        self.side = side
        self.hf_model_name_or_path = hf_model_name_or_path
        super().__init__(**keywords)
