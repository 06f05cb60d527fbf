"""Code that comes with a model, as Phi-3.5-vision's does; written for the tests, far smaller."""

from transformers import PretrainedConfig


class Phi3VConfig(PretrainedConfig):
    model_type = "phi3_v"

    def __init__(
        self, vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, img_processor=None, **keywords
    ):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.img_processor = img_processor
        super().__init__(**keywords)
