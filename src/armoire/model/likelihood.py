"""Likelihoods p(x|z): what the decoder's output says of the pixels, and what an error costs.

One class a likelihood, and the only place where pixels are scaled. Pixels lie in [0, 1]; D = c * h * w values an image.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn


def to_unit(pixels: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n c h w"]:
    """Stored bytes to [0, 1], channels first in shape and last in memory, as convolutions on a CPU like them."""
    return pixels.permute(0, 3, 1, 2).to(torch.float32).div_(255)


def to_pixels(images: Float[Tensor, "n c h w"]) -> UInt8[np.ndarray, "n h w c"]:
    """[0, 1] to the nearest bytes."""
    return images.mul(255).round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


class Likelihood(nn.Module, abc.ABC):
    """Abstract p(x|z) given a decoder's output, one value a pixel value."""

    def mean(self, output: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """E[x|z] in [0, 1]."""
        return torch.sigmoid(output)

    def distortion(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """-log p(x|z) in nats per image, summed over all D pixel values."""
        return self.cost(self.error(output, x), x[0].numel())

    #: What `error` measures: "bce", binary cross-entropy in nats, or "mse", mean squared error.
    unit: str

    @abc.abstractmethod
    def error(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """The mean error a pixel value, in `unit`."""

    @abc.abstractmethod
    def cost(self, error: Float[Tensor, " n"], size: int) -> Float[Tensor, " n"]:
        """The distortion in nats per image that errors stand for, `size` (D) pixel values an image."""


class Bernoulli(Likelihood):
    """p(x|z) = Bernoulli(sigmoid(output)): the distortion is the summed binary cross-entropy.

    For pixels that are not 0 or 1 it is no normalised density, and its smallest value is the pixels' own entropy.
    """

    unit = "bce"

    def error(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """-mean x log p + (1 - x) log (1 - p)."""
        # From logits: the cross-entropy of a saturated sigmoid loses its gradient.
        return F.binary_cross_entropy_with_logits(output, x, reduction="none").flatten(1).mean(dim=1)

    def cost(self, error: Float[Tensor, " n"], size: int) -> Float[Tensor, " n"]:
        """D * error."""
        return size * error


class Gaussian(Likelihood):
    """p(x|z) = N(sigmoid(output), sigma^2), sigma fixed and in units of the pixel range."""

    unit = "mse"

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.register_buffer("variance", torch.tensor(float(sigma) ** 2))
        self.variance: Tensor

    @property
    def sigma(self) -> float:
        """Standard deviation of a pixel value."""
        return math.sqrt(float(self.variance))

    def error(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """mean (x - E[x|z])^2."""
        return (self.mean(output) - x).square().flatten(1).mean(dim=1)

    def cost(self, error: Float[Tensor, " n"], size: int) -> Float[Tensor, " n"]:
        """D * error / (2 sigma^2) + D/2 log(2 pi sigma^2)."""
        return size * error / (2 * self.variance) + size / 2 * torch.log(2 * math.pi * self.variance)


class CalibratedGaussian(Gaussian):
    """A Gaussian whose sigma is its own maximum-likelihood value, so that beta needs no tuning.

    sigma^2 = the mean squared error a pixel value, section 3 of arXiv:2006.13202. In training it follows the batches'
    error as batch normalisation follows their statistics; in evaluation it stays what training left. Both modes cost
    an image by the same formula. As the cost is D log(sigma) + const, minimising it minimises the RMSE.

    Attributes:
        average: the mean over a batch; a training of which every process sees some rows puts its own in place.
    """

    MOMENTUM = 0.1
    # Pixels are bytes: below the rounding error of one (a uniform error of a 255th), sigma would only reward luck.
    SMALLEST = 1 / (12 * 255**2)

    def __init__(self) -> None:
        super().__init__(sigma=1.0)
        self.register_buffer("batches", torch.tensor(0, dtype=torch.int64))
        self.batches: Tensor
        self.average: Callable[[Tensor], Tensor] = torch.mean

    def cost(self, error: Float[Tensor, " n"], size: int) -> Float[Tensor, " n"]:
        """As a Gaussian, at sigma's running optimum."""
        if self.training:
            self._follow(self.average(error.detach()))
        return super().cost(error, size)

    @torch.no_grad()
    def _follow(self, mean_squared_error: Tensor) -> None:
        # The first batches are averaged evenly, so that the arbitrary starting value leaves no trace.
        weight = torch.clamp(1 / (self.batches + 1), min=self.MOMENTUM)
        self.variance.copy_(torch.lerp(self.variance, mean_squared_error, weight).clamp(min=self.SMALLEST))
        self.batches += 1


def make_likelihood(kind: str, sigma: float) -> Likelihood:
    """A likelihood by its name in a recipe: bernoulli, gaussian (with its sigma) or calibrated."""
    if kind == "bernoulli":
        return Bernoulli()
    return Gaussian(sigma) if kind == "gaussian" else CalibratedGaussian()
