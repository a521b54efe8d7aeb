"""Residual encoders and decoders: convolutions at a quarter of the resolution, and a parallel linear map.

    encoder   patches of 4 x 4 pixels -> dense over each -> [block, halve] .. block -> flatten;   and a linear map
    decoder   dense -> [block, double] .. -> + patches of the linear map -> block, block -> double -> patches of 2 x 2;
              and the linear map's image, as log-odds

A block is x + conv(act(norm(conv(act(norm(x)))))), pre-activated (He et al. 2016, arXiv:1603.05027), half as wide in
its middle. Halving and doubling move pixels into channels and back (Shi et al. 2016, arXiv:1609.05158), without the
uneven overlap of a 3 x 3 transposed convolution of stride 2 (Odena et al. 2016).

The linear maps, from the pixels to d features and from the latents to an image, are a principal component analysis
where a training starts so. The decoder's last convolutions see that image: they remove what a linear map leaves, noise
over flat areas and several images laid over each other, in the same way everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from armoire.model.architecture import Architecture
from armoire.model.components import PrincipalComponents
from armoire.model.networks import ACTIVATIONS, SMALLEST_SIDE, Network, normalisation
from armoire.model.posterior import Head

PATCH = 4  # side of the squares of pixels that become the first channels
LARGEST_MAP = 64  # side of the image that the linear maps see; a larger one is averaged down to it
LAST = 32  # channels at half the resolution, before the last patches
DARKEST = 0.005  # the smallest brightness of the linear map's image, whose log-odds are finite
# Adam changes every weight by about the learning rate, and the changes of a linear map's thousands of weights add up:
# its output is scaled by this, and with it the change.
SLOWER = 0.05


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

    @staticmethod
    def map_side(size: int) -> int:
        return min(size, LARGEST_MAP)

    @staticmethod
    @torch.no_grad()
    def start(encoder: nn.Module, head: Head, decoder: nn.Module, components: PrincipalComponents, beta: float) -> None:
        assert isinstance(encoder, ResidualEncoder) and isinstance(decoder, ResidualDecoder)
        to_latent, to_pixels, log_var = components.maps(beta)
        k, convolved = len(log_var), encoder.features - encoder.linear.out_features
        centre = components.mean - 0.5
        encoder.linear.weight[:k] = to_latent / SLOWER
        encoder.linear.bias.zero_()
        encoder.linear.bias[:k] = -(to_latent @ centre) / SLOWER
        for name in head.posterior.parameters:
            layer = getattr(head, name)
            layer.weight.zero_()
            layer.bias.zero_()
            if name == "mean":
                layer.weight[:, convolved:] = torch.eye(len(layer.bias))
            elif name == "log_var":
                layer.bias[:k] = log_var
        decoder.linear.weight[:, :k] = to_pixels / SLOWER
        decoder.linear.bias[:] = centre / SLOWER
        for parameter in decoder.last.parameters():
            nn.init.zeros_(parameter)


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


class LinearMap(nn.Linear):
    """A linear layer that learns more slowly."""

    def forward(self, input: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        return super().forward(input) * SLOWER


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
        self.map_side = ResidualNetwork.map_side(a.size)
        self.linear = LinearMap(a.image_channels * self.map_side**2, a.latent)
        self.features = channels[-1] * (a.size // PATCH >> len(channels) - 1) ** 2 + a.latent

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        small = x if x.shape[-1] == self.map_side else F.adaptive_avg_pool2d(x, self.map_side)
        # Centred: a mean brightness of 0.5 would dominate the differences.
        return torch.cat([self.convolutions(x), self.linear((small - 0.5).flatten(1))], dim=1)


class ResidualDecoder(nn.Module):
    """(n, d) to log-odds of pixels (n, c, h, w), the parameters of each likelihood of this package."""

    def __init__(self, a: Architecture, channels: Sequence[int]) -> None:
        super().__init__()
        upwards, side = list(reversed(channels)), a.size // PATCH >> len(channels) - 1
        layers: list[nn.Module] = [
            nn.Linear(a.latent, upwards[0] * side**2),
            nn.Unflatten(1, (upwards[0], side, side)),
        ]
        for here, above in pairwise(upwards):
            layers += [Block(here, a.norm, a.activation), nn.Conv2d(here, 4 * above, 1), nn.PixelShuffle(2)]
        self.convolutions = nn.Sequential(*layers)
        self.size, self.image_channels, self.map_side = a.size, a.image_channels, ResidualNetwork.map_side(a.size)
        self.linear = LinearMap(a.latent, a.image_channels * self.map_side**2)
        self.patches = nn.Sequential(nn.PixelUnshuffle(PATCH), nn.Conv2d(PATCH**2 * a.image_channels, channels[0], 1))
        self.refine = nn.Sequential(
            Block(channels[0], a.norm, a.activation),
            Block(channels[0], a.norm, a.activation),
            nn.Conv2d(channels[0], 4 * LAST, 1),
            nn.PixelShuffle(2),
            *normalisation(LAST, a.norm),
            ACTIVATIONS[a.activation](),
        )
        self.last = nn.Sequential(nn.Conv2d(LAST, 4 * a.image_channels, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n c h w"]:
        image = self.linear(z).unflatten(1, (self.image_channels, self.map_side, self.map_side))
        if self.map_side != self.size:
            image = F.interpolate(image, (self.size, self.size), mode="bilinear")
        seen = self.convolutions(z) + self.patches(image)
        straight = torch.logit((image + 0.5).clamp(DARKEST, 1 - DARKEST))
        return straight + self.last(self.refine(seen))
