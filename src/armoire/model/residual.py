"""Residual encoders and decoders: the full resolution is left at once, and one map does what is linear in an image.

    encoder   patches of 4 x 4 pixels -> dense over each -> [block, halve] .. block -> flatten;   beside it a linear map
    decoder   dense -> [block, double] .. block -> double -> patches of 2 x 2 pixels;             beside it a linear map

A block is x + conv(act(norm(conv(act(norm(x)))))), pre-activated (He et al. 2016, arXiv:1603.05027), half as wide in
its middle. Halving and doubling move pixels into channels and back (Shi et al. 2016, arXiv:1609.05158), which is cheap,
and every pixel made is made of as many others: a 3 x 3 transposed convolution of stride 2 overlaps unevenly (Odena et
al. 2016).

The linear maps, from the pixels to as many features as there are latents and from the latents to the pixels, are what a
principal component analysis would be. They learn in a few hundred steps what convolutions from a narrow bottleneck take
thousands for, and leave to these what is not linear.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from armoire.model.networks import ACTIVATIONS, SMALLEST_SIDE, normalisation

PATCH = 4  # side of the pixels that the encoder takes in as one
LARGEST_MAP = 64  # side of the image that the linear maps see; a larger one is averaged down to it
LAST = 32  # channels at half the resolution, before the last patches


def derive_stages(size: int) -> tuple[int, ...]:
    """Channels at a quarter of `size` and after each halving from there down to 4 x 4: 64, doubled up to 256."""
    stages = max(1, (size // PATCH // SMALLEST_SIDE).bit_length())
    return tuple(min(256, 64 << stage) for stage in range(stages))


class PixelUnshuffle(nn.PixelUnshuffle):
    """PyTorch's, of no images too: a process whose share of a batch is empty still takes part in the step."""

    def forward(self, input: Tensor) -> Tensor:
        """(n, c, h, w) to (n, c r^2, h / r, w / r)."""
        n, c, h, w = input.shape
        r = self.downscale_factor
        return super().forward(input) if n else input.reshape(0, c * r * r, h // r, w // r)


class PixelShuffle(nn.PixelShuffle):
    """PyTorch's, of no images too."""

    def forward(self, input: Tensor) -> Tensor:
        """(n, c r^2, h, w) to (n, c, h r, w r)."""
        n, c, h, w = input.shape
        r = self.upscale_factor
        return super().forward(input) if n else input.reshape(0, c // (r * r), h * r, w * r)


class Block(nn.Module):
    """x + conv(act(norm(conv(act(norm(x)))))), half as wide in the middle."""

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
        """What it is given, changed a little."""
        return x + self.change(x)


class ResidualEncoder(nn.Module):
    """(n, c, h, w) in [0, 1] to features (n, f): those of the convolutions, then `latent` linear ones."""

    def __init__(
        self, image_channels: int, size: int, channels: Sequence[int], latent: int, norm: str, activation: str
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [PixelUnshuffle(PATCH), nn.Conv2d(PATCH**2 * image_channels, channels[0], 1)]
        for before, after in zip([channels[0], *channels], channels, strict=False):
            layers += _halved(before, after) if len(layers) > 2 else []
            layers.append(Block(after, norm, activation))
        layers += [*normalisation(channels[-1], norm), ACTIVATIONS[activation](), nn.Flatten()]
        self.convolutions = nn.Sequential(*layers)
        self.map_side = min(size, LARGEST_MAP)
        self.linear = nn.Linear(image_channels * self.map_side**2, latent)
        side = size // PATCH >> len(channels) - 1
        self.features = channels[-1] * side**2 + latent

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        """What an image shows."""
        small = x if x.shape[-1] == self.map_side else F.adaptive_avg_pool2d(x, self.map_side)
        # About the middle of the range: a mean brightness of a half would drown what differs.
        return torch.cat([self.convolutions(x), self.linear((small - 0.5).flatten(1))], dim=1)


class ResidualDecoder(nn.Module):
    """(n, d) to the likelihood's parameters (n, c, h, w)."""

    def __init__(
        self, latent: int, image_channels: int, size: int, channels: Sequence[int], norm: str, activation: str
    ) -> None:
        super().__init__()
        upwards, side = list(reversed(channels)), size // PATCH >> len(channels) - 1
        layers: list[nn.Module] = [
            nn.Linear(latent, upwards[0] * side**2),
            nn.Unflatten(1, (upwards[0], side, side)),
        ]
        for here, above in zip(upwards, [*upwards[1:], LAST], strict=True):
            layers += [Block(here, norm, activation), *_doubled(here, above)]
        layers += [*normalisation(LAST, norm), ACTIVATIONS[activation]()]
        layers += [nn.Conv2d(LAST, 4 * image_channels, 3, padding=1), PixelShuffle(2)]
        self.convolutions = nn.Sequential(*layers)
        map_side = min(size, LARGEST_MAP)
        self.linear = nn.Sequential(
            nn.Linear(latent, image_channels * map_side**2), nn.Unflatten(1, (image_channels, map_side, map_side))
        )
        self.size = size

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n c h w"]:
        """What is made at a place."""
        straight = self.linear(z)
        if straight.shape[-1] != self.size:
            straight = F.interpolate(straight, (self.size, self.size), mode="bilinear")
        return self.convolutions(z) + straight


def _halved(before: int, after: int) -> list[nn.Module]:
    return [PixelUnshuffle(2), nn.Conv2d(4 * before, after, 1)]


def _doubled(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, 4 * after, 1), PixelShuffle(2)]
