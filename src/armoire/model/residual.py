"""Residual encoders and decoders: convolutions at a quarter of the resolution, and a parallel linear map.

    encoder   patches of 4 x 4 pixels -> dense over each -> [block, halve] .. block -> flatten;   and a linear map
    decoder   dense -> [block, double] .. block -> double -> patches of 2 x 2 pixels;             and a linear map

A block is x + conv(act(norm(conv(act(norm(x)))))), pre-activated (He et al. 2016, arXiv:1603.05027), half as wide in
its middle. Halving and doubling move pixels into channels and back (Shi et al. 2016, arXiv:1609.05158), without the
uneven overlap of a 3 x 3 transposed convolution of stride 2 (Odena et al. 2016).

The linear maps, from the pixels to d features and from the latents to the pixels, correspond to a principal component
analysis. They learn in a few hundred steps what convolutions from a narrow bottleneck learn in thousands.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from armoire.model.architecture import Architecture
from armoire.model.networks import ACTIVATIONS, SMALLEST_SIDE, Network, normalisation

PATCH = 4  # side of the squares of pixels that become the first channels
LARGEST_MAP = 64  # side of the image that the linear maps see; a larger one is averaged down to it
LAST = 32  # channels at half the resolution, before the last patches


class ResidualNetwork(Network):
    """The encoder and decoder of this file; `channels` are those at a quarter of the size and after each halving."""

    @staticmethod
    def default_channels(size: int) -> tuple[int, ...]:
        """Channels at a quarter of `size` and after each halving from there down to 4 x 4: 64, doubled up to 256."""
        stages = max(1, (size // PATCH // SMALLEST_SIDE).bit_length())
        return tuple(min(256, 64 << stage) for stage in range(stages))

    @property
    def shrinkage(self) -> int:
        return PATCH << len(self.channels) - 1

    def encoder(self) -> tuple[nn.Module, int]:
        encoder = ResidualEncoder(self.architecture, self.channels)
        return encoder, encoder.features

    def decoder(self) -> nn.Module:
        return ResidualDecoder(self.architecture, self.channels)


class Block(nn.Module):
    """x + conv(act(norm(conv(act(norm(x)))))), with half the channels in the middle."""

    def __init__(self, channels: int, norm: str, activation: str) -> None:
        super().__init__()
        middle = max(1, channels // 2)
        self.change = nn.Sequential(
            *normalisation(channels, norm),
            ACTIVATIONS[activation](),
            nn.Conv2d(channels, middle, 3, padding=1),
            *normalisation(middle, norm),
            ACTIVATIONS[activation](),
            nn.Conv2d(middle, channels, 3, padding=1),
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return x + self.change(x)


class ResidualEncoder(nn.Module):
    """(n, c, h, w) in [0, 1] to features (n, f): those of the convolutions, then d linear ones."""

    def __init__(self, a: Architecture, channels: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.PixelUnshuffle(PATCH), nn.Conv2d(PATCH**2 * a.image_channels, channels[0], 1)]
        for before, after in zip([channels[0], *channels], channels, strict=False):
            layers += [nn.PixelUnshuffle(2), nn.Conv2d(4 * before, after, 1)] if len(layers) > 2 else []
            layers.append(Block(after, a.norm, a.activation))
        layers += [*normalisation(channels[-1], a.norm), ACTIVATIONS[a.activation](), nn.Flatten()]
        self.convolutions = nn.Sequential(*layers)
        self.map_side = min(a.size, LARGEST_MAP)
        self.linear = nn.Linear(a.image_channels * self.map_side**2, a.latent)
        self.features = channels[-1] * (a.size // PATCH >> len(channels) - 1) ** 2 + a.latent

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        small = x if x.shape[-1] == self.map_side else F.adaptive_avg_pool2d(x, self.map_side)
        # Centred: a mean brightness of 0.5 would dominate the differences.
        return torch.cat([self.convolutions(x), self.linear((small - 0.5).flatten(1))], dim=1)


class ResidualDecoder(nn.Module):
    """(n, d) to the likelihood's parameters (n, c, h, w)."""

    def __init__(self, a: Architecture, channels: Sequence[int]) -> None:
        super().__init__()
        upwards, side = list(reversed(channels)), a.size // PATCH >> len(channels) - 1
        layers: list[nn.Module] = [
            nn.Linear(a.latent, upwards[0] * side**2),
            nn.Unflatten(1, (upwards[0], side, side)),
        ]
        for here, above in zip(upwards, [*upwards[1:], LAST], strict=True):
            layers += [Block(here, a.norm, a.activation), nn.Conv2d(here, 4 * above, 1), nn.PixelShuffle(2)]
        layers += [*normalisation(LAST, a.norm), ACTIVATIONS[a.activation]()]
        layers += [nn.Conv2d(LAST, 4 * a.image_channels, 3, padding=1), nn.PixelShuffle(2)]
        self.convolutions = nn.Sequential(*layers)
        self.size, map_side = a.size, min(a.size, LARGEST_MAP)
        self.linear = nn.Sequential(
            nn.Linear(a.latent, a.image_channels * map_side**2), nn.Unflatten(1, (a.image_channels, map_side, map_side))
        )

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n c h w"]:
        straight = self.linear(z)
        if straight.shape[-1] != self.size:
            straight = F.interpolate(straight, (self.size, self.size), mode="bilinear")
        return self.convolutions(z) + straight
