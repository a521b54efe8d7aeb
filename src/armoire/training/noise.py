"""Noise on the input, the whole of what makes an autoencoder a denoising one (S6)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from armoire.model.draws import Draws, normal_like


def corrupt(x: Float[Tensor, "n c h w"], noise: float, draws: Draws) -> Float[Tensor, "n c h w"]:
    """x + noise * eps, eps ~ N(0, I), kept within [0, 1] as a stored picture would be."""
    return torch.add(x, normal_like(x, draws), alpha=noise).clamp_(0, 1)
