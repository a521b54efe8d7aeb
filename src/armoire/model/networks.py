"""Convolutional encoders and decoders, mirror images of each other, built for any size (S2, S3, S17)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn

from armoire.model.convolution import DoublingConv, HalvingConv, SameConv

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(),
    "silu": nn.SiLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.3),  # Keras' slope, which the published networks were trained with
}
SMALLEST_SIDE = 4


def derive_channels(size: int) -> tuple[int, ...]:
    """Channels of each halving from `size` down to 4 x 4: 32, doubled each time up to 256."""
    stages = max(1, (size // SMALLEST_SIDE).bit_length() - 1)
    return tuple(min(256, 32 << stage) for stage in range(stages))


def conv_encoder(image_channels: int, channels: Sequence[int], norm: str, activation: str) -> nn.Sequential:
    """(n, c, h, w) to features (n, f): for each of `channels` a 3x3 convolution of stride 2, norm, activation."""
    layers: list[nn.Module] = []
    for before, after in zip([image_channels, *channels], channels, strict=False):
        layers += [HalvingConv(before, after), *_finish(after, norm, activation)]
    return nn.Sequential(*layers, nn.Flatten())


def conv_decoder(
    latent: int, image_channels: int, size: int, channels: Sequence[int], norm: str, activation: str
) -> nn.Sequential:
    """(n, d) to the likelihood's parameters (n, c, h, w): dense, then transposed convolutions of stride 2 back up."""
    deepest, side = channels[-1], size >> len(channels)
    layers: list[nn.Module] = [nn.Linear(latent, deepest * side * side)]
    if norm == "batch":  # the published networks normalise the dense layer too, and only where they normalise at all
        layers += _finish(deepest * side * side, norm, activation, flat=True)
    layers.append(nn.Unflatten(1, (deepest, side, side)))
    upwards = list(reversed(channels))
    for before, after in zip([deepest, *upwards], upwards, strict=False):
        layers += [DoublingConv(before, after), *_finish(after, norm, activation)]
    return nn.Sequential(*layers, SameConv(upwards[-1], image_channels))


def glorot(network: nn.Module, generator: torch.Generator | None = None) -> None:
    """Glorot uniform weights and zero biases, the initialisation that the published networks were trained from.

    Glorot and Bengio 2010, eq. 16. PyTorch's own default draws from a narrower interval and random biases.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def normalisation(channels: int, norm: str, flat: bool = False) -> list[nn.Module]:
    """The layer that `norm` names, if it names one.

    `group` is Wu and He 2018 (arXiv:1803.08494), in eight groups where that divides: it knows no batch, so that an
    image means the same alone and in company, in training and after.
    """
    if norm == "batch":
        return [nn.BatchNorm1d(channels) if flat else nn.BatchNorm2d(channels)]
    return [nn.GroupNorm(math.gcd(8, channels), channels)] if norm == "group" else []


def _finish(channels: int, norm: str, activation: str, flat: bool = False) -> list[nn.Module]:
    act = ACTIVATIONS[activation]()
    if isinstance(act, nn.ReLU | nn.LeakyReLU):  # what comes before needs its output no more: one pass over memory less
        act.inplace = True
    return [*normalisation(channels, norm, flat), act]
