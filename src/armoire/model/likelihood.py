"""Likelihoods p(x|z) of pixels in [0, 1], given the decoder's output; D = c * h * w values an image.

The only place where pixels are scaled. A new kind is one class, registered in `armoire.model.kinds.LIKELIHOODS`.
"""

from __future__ import annotations

import abc
import math
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from armoire.errors import ArmoireError


def to_unit(pixels: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n c h w"]:
    """Bytes to [0, 1], channels first in shape and last in memory, the fastest layout for convolutions on a CPU."""
    return pixels.permute(0, 3, 1, 2).to(torch.float32).div_(255)


def to_pixels(images: Float[Tensor, "n c h w"]) -> UInt8[np.ndarray, "n h w c"]:
    """[0, 1] to the nearest bytes."""
    return images.mul(255).round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


class Likelihood(nn.Module, abc.ABC):
    """Abstract p(x|z) given a decoder's output, one value for each pixel value."""

    unit: ClassVar[str]  # short name of `error`: "bce", "mse", "mae", or another where none of these applies
    error_name: ClassVar[str]  # of `error` in words, with its unit
    loss_name: ClassVar[str]  # what minimising the distortion minimises
    no_mass: ClassVar[str] = "this likelihood has no log_mass"  # why `log_mass` is undefined, "" where it is defined

    @classmethod
    def build(cls, sigma: float) -> Likelihood:
        """One with fresh parameters; `sigma` is the recipe's, for a kind that has such a setting."""
        return cls()

    def mean(self, output: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """E[x|z], the mean of each pixel value, in [0, 1]."""
        return torch.sigmoid(output)

    def distortion(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """-log p(x|z) in nats per image, summed over all D pixel values."""
        return self.cost(self.error(output, x), x[0].numel())

    @abc.abstractmethod
    def error(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """The mean error per pixel value, in `unit`."""

    @abc.abstractmethod
    def cost(self, error: Float[Tensor, " n"], size: int) -> Float[Tensor, " n"]:
        """The distortion in nats per image for a mean error, with `size` (D) pixel values an image."""

    def fit_scale(self, error: float) -> bool:
        """Fit the scale to the mean error of images that are not trained on; False where it has none to fit."""
        return False

    def log_mass(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """log P(x|z) in nats of images whose pixels are bytes: the density integrated over each byte's bin."""
        raise ArmoireError(f"bits per dimension are undefined: {self.no_mass}")


class Bernoulli(Likelihood):
    """p(x|z) = Bernoulli(sigmoid(output)): the distortion is the summed binary cross-entropy.

    For pixels other than 0 and 1 it is not a normalised density, and its minimum is the pixels' own entropy.
    """

    unit, loss_name = "bce", "binary cross-entropy"
    error_name = "binary cross-entropy in nats per pixel value"
    no_mass = (
        "the bernoulli likelihood is not normalised over grey pixels; train with --likelihood calibrated or gaussian"
    )

    def error(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """-mean x log p + (1 - x) log (1 - p)."""
        # From logits: the gradient through a saturated sigmoid would vanish.
        return F.binary_cross_entropy_with_logits(output, x, reduction="none").flatten(1).mean(dim=1)

    def cost(self, error: Float[Tensor, " n"], size: int) -> Float[Tensor, " n"]:
        return size * error


def _bins(x: Tensor, mean: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Both ends of each byte's bin, from the mean and in units of `scale`; the outermost bins extend to infinity.

    For a density symmetric about its mean: bins above the mean are mirrored to below it, where the distribution
    function is small and no precision is lost to 1 - F.
    """
    gaps, half = (x - mean).double(), 0.5 / 255
    low = torch.where(x < half, -torch.inf, (gaps - half) / scale)
    high = torch.where(x > 1 - half, torch.inf, (gaps + half) / scale)
    return torch.where(gaps > 0, -high, low), torch.where(gaps > 0, -low, high)


class Gaussian(Likelihood):
    """p(x|z) = N(sigmoid(output), sigma^2), sigma fixed and in units of the pixel range."""

    unit, loss_name, error_name, no_mass = "mse", "squared error", "squared error per pixel value", ""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.register_buffer("variance", torch.tensor(float(sigma) ** 2))
        self.variance: Tensor

    @classmethod
    def build(cls, sigma: float) -> Likelihood:
        return cls(sigma)

    @property
    def sigma(self) -> float:
        """Standard deviation of a pixel value."""
        return math.sqrt(float(self.variance))

    def error(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Squared error, mean (x - E[x|z])^2."""
        return (self.mean(output) - x).square().flatten(1).mean(dim=1)

    def log_mass(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """sum log [Phi((x + h - mu) / sigma) - Phi((x - h - mu) / sigma)], h half a byte, outermost bins unbounded.

        The discretisation of section 3.1 of arXiv:1606.04934, with a normal in place of their logistic.
        """
        low, high = _bins(x, self.mean(output), self.sigma)
        upper = torch.special.log_ndtr(high)
        return (upper + torch.log1p(-torch.exp(torch.special.log_ndtr(low) - upper))).flatten(1).sum(dim=1)

    def cost(self, error: Float[Tensor, " n"], size: int) -> Float[Tensor, " n"]:
        """D * error / (2 sigma^2) + D/2 log(2 pi sigma^2)."""
        return size * error / (2 * self.variance) + size / 2 * torch.log(2 * math.pi * self.variance)


class RunningMean(nn.Module):
    """Moves a scale parameter towards the mean error, its maximum-likelihood value, while training.

    It follows the error of the batches, as batch normalisation's statistics do, times `ratio`: the error of images
    that are not trained on over that of those that are, 1 until `fit` is called. In evaluation the parameter
    stays what training left.
    """

    MOMENTUM, MOST = 0.1, 100.0  # the largest ratio: of a model that repeats its training images
    batches: Tensor
    ratio: Tensor

    def __init__(self, smallest: float) -> None:
        super().__init__()
        self.smallest = smallest
        self.register_buffer("batches", torch.tensor(0, dtype=torch.int64))
        self.register_buffer("ratio", torch.tensor(1.0))

    @torch.no_grad()
    def forward(self, parameter: Float[Tensor, ""], error: Float[Tensor, " n"]) -> None:
        if not self.training:
            return
        # The first batches are averaged evenly, so that the initial value has no influence.
        weight = torch.clamp(1 / (self.batches + 1), min=self.MOMENTUM)
        parameter.copy_(torch.lerp(parameter, self.ratio * self.mean(error), weight).clamp(min=self.smallest))
        self.batches += 1

    def fit(self, parameter: Float[Tensor, ""], error: float) -> None:
        """Set the parameter to the mean error of images that are not trained on, and follow that from now on."""
        trained = (parameter / self.ratio).clamp(min=self.smallest)
        self.ratio.copy_((error / trained).clamp(1, self.MOST))
        parameter.copy_((trained * self.ratio).clamp(min=self.smallest))

    def mean(self, error: Float[Tensor, " n"]) -> Float[Tensor, ""]:
        return error.mean()


class CalibratedGaussian(Gaussian):
    """A Gaussian whose sigma^2 is its maximum-likelihood value, the mean squared error, so that beta needs no tuning.

    Section 3 of arXiv:2006.13202. As the cost is D log(sigma) + const, minimising it minimises the RMSE.
    """

    loss_name = "root mean squared error"
    SMALLEST = 1 / (12 * 255**2)  # the variance of a byte's rounding error

    def __init__(self) -> None:
        super().__init__(sigma=1.0)
        self.calibrate = RunningMean(self.SMALLEST)

    @classmethod
    def build(cls, sigma: float) -> Likelihood:
        return cls()

    def cost(self, error: Float[Tensor, " n"], size: int) -> Float[Tensor, " n"]:
        """D * error / (2 sigma^2) + D/2 log(2 pi sigma^2), at the running optimum of sigma."""
        self.calibrate(self.variance, error)
        return super().cost(error, size)

    def fit_scale(self, error: float) -> bool:
        self.calibrate.fit(self.variance, error)
        return True


class Laplace(Likelihood):
    """p(x|z) = Laplace(sigmoid(output), b), b its maximum-likelihood value, the mean absolute error.

    The cost is D log(mean |x - x_hat|) + const. It is minimised by the median of x given z, where the squared error is
    by the mean: edges are sharper, and rare details are left out.
    """

    unit, loss_name, error_name, no_mass = "mae", "absolute error", "absolute error per pixel value", ""
    SMALLEST = 1 / (4 * 255)  # the mean rounding error of a byte

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(1.0))
        self.scale: Tensor
        self.calibrate = RunningMean(self.SMALLEST)

    def error(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Absolute error, mean |x - sigmoid(output)|."""
        return (self.mean(output) - x).abs().flatten(1).mean(dim=1)

    def log_mass(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """sum log [F(x + h) - F(x - h)], F the distribution function, h half a byte, outermost bins unbounded."""
        low, high = _bins(x, self.mean(output), float(self.scale))
        # After mirroring a bin lies below 0 as a whole, or contains 0.
        below = high.clamp(max=0) + torch.log1p(-torch.exp((low - high).clamp(max=-1e-12))) - math.log(2)
        around = torch.log1p(-0.5 * (torch.exp(low.clamp(max=0)) + torch.exp(-high.clamp(min=0))))
        return torch.where(high <= 0, below, around).flatten(1).sum(dim=1)

    def cost(self, error: Float[Tensor, " n"], size: int) -> Float[Tensor, " n"]:
        """D * error / b + D log(2 b), at the running optimum of b."""
        self.calibrate(self.scale, error)
        return size * error / self.scale + size * torch.log(2 * self.scale)

    def fit_scale(self, error: float) -> bool:
        self.calibrate.fit(self.scale, error)
        return True
