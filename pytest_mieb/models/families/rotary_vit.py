"""The vision transformer with rotary positions of EVA-02, on which VISTA and nomic build, with the names of nomic.

Fang et al., "EVA-02: A Visual Representation for Neon Genesis", 2023.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_mieb.models.errors import ModelError

_BASE = 10000.0


def rotary_table(grid: int, trained_grid: int, head_dim: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the angles that a patch's query and key are turned by, each (grid * grid, head_dim).

    The first half of a head turns by the row, the second by the column, two neighbouring numbers at a time. Places are
    scaled to the grid that the model was first trained on.
    """
    pairs = head_dim // 4
    rates = _BASE ** -(torch.arange(pairs) / pairs)
    angles = torch.outer(torch.arange(grid) * (trained_grid / grid), rates).repeat_interleave(2, dim=1)
    rows, columns = angles[:, None].expand(-1, grid, -1), angles[None].expand(grid, -1, -1)
    table = torch.cat((rows, columns), dim=-1).reshape(grid * grid, -1)
    return table.cos(), table.sin()


class RotaryVit(nn.Module):
    """A tower without its last normalisation.

    Args:
        hidden: the width of the gated layers.
        table: as `rotary_table` makes it; it says the grid and the width of a head.
        inner_norm: whether attention is normalised before its projection, as in EVA02-CLIP.
        gate_epsilon: of the normalisation in the gated layers.
    """

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        hidden: int,
        patch: int,
        table: tuple[Tensor, Tensor],
        inner_norm: bool,
        epsilon: float,
        gate_epsilon: float,
    ) -> None:
        super().__init__()
        self.embeddings = _PatchEmbeddings(width, patch, len(table[0]))
        self.layers = nn.ModuleList(
            _Block(width, table[0].shape[1], hidden, inner_norm, epsilon, gate_epsilon) for _ in range(depth)
        )
        self.register_buffer("cosines", table[0].clone(), persistent=False)
        self.register_buffer("sines", table[1].clone(), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pictures, (n, 3, side, side), to the tokens of the class and the patches, (n, 1 + patches, width)."""
        tokens = self.embeddings(pixels)
        for layer in self.layers:
            tokens = layer(tokens, self.cosines, self.sines)
        return tokens


class AttentionPooling(nn.Module):
    """One learned query that attends to all tokens; its answer is added to the first token."""

    def __init__(self, *, width: int, heads: int, hidden: int, epsilon: float) -> None:
        super().__init__()
        self.attn = _PoolingAttention(width, heads)
        self.norm1 = nn.LayerNorm(width, eps=epsilon)
        self.mlp = _Gated(width, hidden, None)

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, tokens, width) to (n, width)."""
        return tokens[:, 0] + self.mlp(self.norm1(self.attn(tokens)))[:, 0]


class _PatchEmbeddings(nn.Module):
    def __init__(self, width: int, patch: int, patches: int) -> None:
        super().__init__()
        self.patch = patch
        self.side = patch * round(patches**0.5)
        self.proj = nn.Linear(3 * patch * patch, width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + patches, width))

    def forward(self, pixels: Tensor) -> Tensor:
        if pixels.shape[2:] != (self.side, self.side):
            given = "x".join(map(str, pixels.shape[2:]))
            raise ModelError(
                f"the image processor gives pictures of {given} pixels, and the model takes {self.side}x{self.side}; "
                "correct its size in preprocessor_config.json"
            )
        patches = functional.unfold(pixels, self.patch, stride=self.patch).transpose(1, 2)
        first = self.cls_token.expand(len(pixels), -1, -1)
        return torch.cat((first, self.proj(patches)), dim=1) + self.pos_embed


class _Block(nn.Module):
    def __init__(
        self, width: int, head_dim: int, hidden: int, inner_norm: bool, epsilon: float, gate_epsilon: float
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=epsilon)
        self.attn = _Attention(width, head_dim, epsilon if inner_norm else None)
        self.norm2 = nn.LayerNorm(width, eps=epsilon)
        self.mlp = _Gated(width, hidden, gate_epsilon)

    def forward(self, tokens: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens), cosines, sines)
        return tokens + self.mlp(self.norm2(tokens))


class _Attention(nn.Module):
    def __init__(self, width: int, head_dim: int, epsilon: float | None) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.Wqkv = nn.Linear(width, 3 * width)
        self.norm = nn.LayerNorm(width, eps=epsilon) if epsilon else nn.Identity()
        self.out_proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        queries, keys, values = self.Wqkv(tokens).unflatten(-1, (3, -1, self.head_dim)).permute(2, 0, 3, 1, 4)
        queries, keys = (_turned(each, cosines, sines) for each in (queries, keys))
        attended = functional.scaled_dot_product_attention(queries, keys, values)
        return self.out_proj(self.norm(attended.transpose(1, 2).flatten(2)))


class _PoolingAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.latent = nn.Parameter(torch.zeros(1, 1, width))
        self.Wq = nn.Linear(width, width)
        self.Wkv = nn.Linear(width, 2 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        query = self.Wq(self.latent).unflatten(-1, (self.heads, -1)).transpose(1, 2).expand(len(tokens), -1, -1, -1)
        keys, values = self.Wkv(tokens).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, keys, values)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class _Gated(nn.Module):
    def __init__(self, width: int, hidden: int, epsilon: float | None) -> None:
        super().__init__()
        self.fc11 = nn.Linear(width, hidden)
        self.fc12 = nn.Linear(width, hidden)
        self.norm = nn.LayerNorm(hidden, eps=epsilon) if epsilon else nn.Identity()
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(self.norm(self.fc11(tokens) * functional.silu(self.fc12(tokens))))


def _turned(heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """All tokens but the first, turned; (n, heads, 1 + patches, head_dim)."""
    first, patches = heads[:, :, :1], heads[:, :, 1:]
    crossed = torch.stack((-patches[..., 1::2], patches[..., ::2]), dim=-1).flatten(-2)
    return torch.cat((first, patches * cosines + crossed * sines), dim=2)
