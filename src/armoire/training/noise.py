"""Noise on the input, the whole of what makes an autoencoder a denoising one (S6)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def corrupt(x: Float[Tensor, "n c h w"], noise: float, generator: torch.Generator) -> Float[Tensor, "n c h w"]:
    """x + noise * eps, eps ~ N(0, I), kept within [0, 1] as a stored picture would be."""
    eps = torch.empty_like(x).normal_(generator=generator)
    return torch.add(x, eps, alpha=noise).clamp_(0, 1)
