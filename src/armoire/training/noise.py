"""Noise on the input, the whole of what makes an autoencoder a denoising one (S6), and other kinds to try it on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from armoire.model.draws import Draws, normal_like


def corrupt(x: Float[Tensor, "n c h w"], noise: float, draws: Draws) -> Float[Tensor, "n c h w"]:
    """x + noise * eps, eps ~ N(0, I), kept within [0, 1] as a stored picture would be."""
    return torch.add(x, normal_like(x, draws), alpha=noise).clamp_(0, 1)


def salt_and_pepper(x: Float[Tensor, "n c h w"], share: float, generator: torch.Generator) -> Float[Tensor, "n c h w"]:
    """A share of the pixels black or white, as often one as the other, in all channels."""
    drawn = torch.rand(_one_channel(x), generator=generator, device=x.device)
    return torch.where(drawn < share / 2, 0.0, torch.where(drawn > 1 - share / 2, 1.0, x))


def mask(x: Float[Tensor, "n c h w"], share: float, generator: torch.Generator) -> Float[Tensor, "n c h w"]:
    """A share of the pixels black, in all channels: the masking noise of Vincent et al. 2008."""
    return torch.where(torch.rand(_one_channel(x), generator=generator, device=x.device) < share, 0.0, x)


#: Kinds of noise by name; each takes images, how much, and a generator.
KINDS: dict[str, Callable[[Tensor, float, torch.Generator], Tensor]] = {
    "gaussian": corrupt,
    "salt-and-pepper": salt_and_pepper,
    "masking": mask,
}


def _one_channel(x: Tensor) -> tuple[int, int, int, int]:
    n, _, h, w = x.shape
    return n, 1, h, w
