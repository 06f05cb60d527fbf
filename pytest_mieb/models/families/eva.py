"""EVA-02, the vision transformer with rotary positions on which VISTA and nomic build, as timm has it.

Fang et al., "EVA-02: A Visual Representation for Neon Genesis", 2023.
"""

from __future__ import annotations

from functools import partial
from typing import Any


def eva02(
    *, width: int, heads: int, depth: int, hidden: int, patch: int, grid: int, epsilon: float, **keywords: Any
) -> Any:
    """A tower without its last normalisation and without a head, of random weights.

    Of pictures, (n, 3, side, side), it makes the tokens of the class and the patches, (n, 1 + patches, width).

    Args:
        hidden: the width of the gated layers, which are normalised.
        grid: how many patches a picture has on each side.
        epsilon: of all normalisations.
        keywords: further ones for timm's `Eva`.
    """
    from timm.layers.norm import LayerNorm
    from timm.models.eva import Eva

    return Eva(
        img_size=grid * patch,
        patch_size=patch,
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        mlp_ratio=(hidden + 0.5) / width,  # of the product timm takes the whole part
        swiglu_mlp=True,
        scale_mlp=True,
        use_rot_pos_emb=True,
        norm_layer=partial(LayerNorm, eps=epsilon),
        use_post_transformer_norm=False,
        global_pool="",
        num_classes=0,
        **keywords,
    )
