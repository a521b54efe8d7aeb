"""Convolutional encoders and decoders, mirror images of each other, for any size."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable

import torch
from torch import nn

from armoire.model.architecture import Architecture
from armoire.model.components import PrincipalComponents
from armoire.model.convolution import DoublingConv, HalvingConv, SameConv
from armoire.model.posterior import Head

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(),
    "silu": nn.SiLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.3),  # Keras' slope, which the published networks were trained with
}
SMALLEST_SIDE = 4


class Network(abc.ABC):
    """Abstract builder of an encoder and a decoder; a new kind is registered in `armoire.model.kinds.NETWORKS`."""

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.channels = architecture.channels or self.default_channels(architecture.size)
        if architecture.size % self.shrinkage:
            raise ValueError(f"{len(self.channels)} stages do not divide a size of {architecture.size}")

    @staticmethod
    @abc.abstractmethod
    def default_channels(size: int) -> tuple[int, ...]:
        """Channels of each stage, from the image to the smallest feature map."""

    @property
    @abc.abstractmethod
    def shrinkage(self) -> int:
        """Side of the image divided by that of the smallest feature map."""

    @abc.abstractmethod
    def encoder(self) -> tuple[nn.Module, int]:
        """A module from images (n, c, h, w) in [0, 1] to features (n, f), and f."""

    @abc.abstractmethod
    def decoder(self) -> nn.Module:
        """A module from latents (n, d) to the likelihood's parameters (n, c, h, w)."""

    @staticmethod
    def map_side(size: int) -> int:
        """Side of the images that a linear map sees; 0 where there is none, and no `start`."""
        return 0

    @staticmethod
    def start(encoder: nn.Module, head: Head, decoder: nn.Module, components: PrincipalComponents, beta: float) -> None:
        """Set the weights so that the model reconstructs as principal components do."""
        raise NotImplementedError("this network has no linear maps")


class PlainNetwork(Network):
    """3 x 3 convolutions of stride 2, and transposed ones back up."""

    @staticmethod
    def default_channels(size: int) -> tuple[int, ...]:
        """Channels of each halving from `size` down to 4 x 4: 32, doubled each time up to 256."""
        stages = max(1, (size // SMALLEST_SIDE).bit_length() - 1)
        return tuple(min(256, 32 << stage) for stage in range(stages))

    @property
    def shrinkage(self) -> int:
        return 1 << len(self.channels)

    def encoder(self) -> tuple[nn.Module, int]:
        """For each of `channels` a 3 x 3 convolution of stride 2, norm, activation."""
        a, layers = self.architecture, []
        for before, after in zip([a.image_channels, *self.channels], self.channels, strict=False):
            layers += [HalvingConv(before, after), *self._finish(after)]
        return nn.Sequential(*layers, nn.Flatten()), self.channels[-1] * (a.size // self.shrinkage) ** 2

    def decoder(self) -> nn.Module:
        """A dense layer, then transposed convolutions of stride 2."""
        a, upwards = self.architecture, self.channels[::-1]
        side = a.size // self.shrinkage
        features = upwards[0] * side**2
        layers: list[nn.Module] = [nn.Linear(a.latent, features)]
        if a.norm == "batch":  # the published networks normalise the dense layer too, where they normalise at all
            layers += self._finish(features, flat=True)
        layers.append(nn.Unflatten(1, (upwards[0], side, side)))
        for before, after in zip([upwards[0], *upwards], upwards, strict=False):
            layers += [DoublingConv(before, after), *self._finish(after)]
        return nn.Sequential(*layers, SameConv(upwards[-1], a.image_channels))

    def _finish(self, channels: int, flat: bool = False) -> list[nn.Module]:
        act = ACTIVATIONS[self.architecture.activation]()
        if isinstance(act, nn.ReLU | nn.LeakyReLU):  # its input is needed no more: one pass over memory less
            act.inplace = True
        return [*normalisation(channels, self.architecture.norm, flat), act]


def glorot(network: nn.Module, generator: torch.Generator | None = None) -> None:
    """Initialise with Glorot uniform weights and zero biases, as the published networks were.

    Glorot and Bengio 2010, eq. 16. PyTorch's own default draws from a narrower interval, and random biases.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def normalisation(channels: int, norm: str, flat: bool = False) -> list[nn.Module]:
    """The layer that `norm` names, if any.

    `group` is Wu and He 2018 (arXiv:1803.08494), in eight groups where that divides: it is independent of the batch,
    so an image is encoded alike alone and with others, in training and in evaluation.
    """
    if norm == "batch":
        return [nn.BatchNorm1d(channels) if flat else nn.BatchNorm2d(channels)]
    return [nn.GroupNorm(math.gcd(8, channels), channels)] if norm == "group" else []
