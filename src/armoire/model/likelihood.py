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

from armoire.errors import ArmoireError


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

    #: What `error` measures: "bce", binary cross-entropy in nats, "mse", mean squared error, or "mae", mean absolute
    #: error.
    unit: str

    @abc.abstractmethod
    def error(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """The mean error a pixel value, in `unit`."""

    #: Why `log_mass` cannot be told, "" where it can.
    no_mass = ""

    def log_mass(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """log P(x|z) in nats of images whose pixels are bytes: the density integrated over each byte's bin.

        Only of a likelihood that is normalised over pixel values.
        """
        raise ArmoireError(f"bits per dimension cannot be told: {self.no_mass}")

    @abc.abstractmethod
    def cost(self, error: Float[Tensor, " n"], size: int) -> Float[Tensor, " n"]:
        """The distortion in nats per image that errors stand for, `size` (D) pixel values an image."""


class Bernoulli(Likelihood):
    """p(x|z) = Bernoulli(sigmoid(output)): the distortion is the summed binary cross-entropy.

    For pixels that are not 0 or 1 it is no normalised density, and its smallest value is the pixels' own entropy.
    """

    unit = "bce"
    no_mass = (
        "the bernoulli likelihood is not normalised over grey pixels; train with --likelihood calibrated or gaussian"
    )

    def error(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """-mean x log p + (1 - x) log (1 - p)."""
        # From logits: the cross-entropy of a saturated sigmoid loses its gradient.
        return F.binary_cross_entropy_with_logits(output, x, reduction="none").flatten(1).mean(dim=1)

    def cost(self, error: Float[Tensor, " n"], size: int) -> Float[Tensor, " n"]:
        """D * error."""
        return size * error


def _bins(x: Tensor, mean: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Where the bin of each byte begins and ends, from the mean and in units of `scale`; the outermost reach on.

    Of a density that is symmetric about its mean: bins above it are mirrored to below, where what the distribution
    function has at both ends are small numbers and not 1 less small ones.
    """
    gaps, half = (x - mean).double(), 0.5 / 255
    low = torch.where(x < half, -torch.inf, (gaps - half) / scale)
    high = torch.where(x > 1 - half, torch.inf, (gaps + half) / scale)
    return torch.where(gaps > 0, -high, low), torch.where(gaps > 0, -low, high)


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

    def log_mass(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """sum log [Phi((x + h - mu) / sigma) - Phi((x - h - mu) / sigma)], h half a byte; the outermost bins reach on.

        The discretisation of section 3.1 of arXiv:1606.04934, with a normal in place of their logistic.
        """
        low, high = _bins(x, self.mean(output), self.sigma)
        upper = torch.special.log_ndtr(high)
        return (upper + torch.log1p(-torch.exp(torch.special.log_ndtr(low) - upper))).flatten(1).sum(dim=1)

    def cost(self, error: Float[Tensor, " n"], size: int) -> Float[Tensor, " n"]:
        """D * error / (2 sigma^2) + D/2 log(2 pi sigma^2)."""
        return size * error / (2 * self.variance) + size / 2 * torch.log(2 * math.pi * self.variance)


class Calibrated(Likelihood):
    """Abstract likelihood whose one parameter is its own maximum-likelihood value: the mean error of what is explained.

    In training the parameter follows the batches' error as batch normalisation follows their statistics; in evaluation
    it stays what training left. Both modes cost an image by the same formula.

    Attributes:
        average: the mean over a batch; a training of which every process sees some rows puts its own in place.
    """

    MOMENTUM = 0.1
    batches: Tensor
    average: Callable[[Tensor], Tensor]

    def _calibrate(self) -> None:
        self.register_buffer("batches", torch.tensor(0, dtype=torch.int64))
        self.average = torch.mean

    @torch.no_grad()
    def _follow(self, parameter: Tensor, mean_error: Tensor, smallest: float) -> None:
        # The first batches are averaged evenly, so that the arbitrary starting value leaves no trace.
        weight = torch.clamp(1 / (self.batches + 1), min=self.MOMENTUM)
        parameter.copy_(torch.lerp(parameter, mean_error, weight).clamp(min=smallest))
        self.batches += 1


class CalibratedGaussian(Gaussian, Calibrated):
    """A Gaussian whose sigma is its own maximum-likelihood value, so that beta needs no tuning.

    sigma^2 = the mean squared error a pixel value, section 3 of arXiv:2006.13202. As the cost is D log(sigma) + const,
    minimising it minimises the RMSE.
    """

    # Pixels are bytes: below the rounding error of one (a uniform error of a 255th), sigma would only reward luck.
    SMALLEST = 1 / (12 * 255**2)

    def __init__(self) -> None:
        super().__init__(sigma=1.0)
        self._calibrate()

    def cost(self, error: Float[Tensor, " n"], size: int) -> Float[Tensor, " n"]:
        """As a Gaussian, at sigma's running optimum."""
        if self.training:
            self._follow(self.variance, self.average(error.detach()), self.SMALLEST)
        return super().cost(error, size)


class Laplace(Calibrated):
    """p(x|z) = Laplace(sigmoid(output), b), b its own maximum-likelihood value, the mean absolute error a pixel value.

    The cost is D log(mean |x - x_hat|) + const. Its best guess is the median of what could have been, where that of the
    squared error is the mean: edges stay, and what is rare is left out.
    """

    unit = "mae"
    SMALLEST = 1 / (4 * 255)  # the mean rounding error of a byte

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(1.0))
        self.scale: Tensor
        self._calibrate()

    def error(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """mean |x - sigmoid(output)|."""
        return (self.mean(output) - x).abs().flatten(1).mean(dim=1)

    def log_mass(self, output: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """sum log [F(x + h) - F(x - h)], F the distribution function, h half a byte; the outermost bins reach on."""
        low, high = _bins(x, self.mean(output), float(self.scale))
        # The middle of a bin is at or below 0. It lies below as a whole, or 0 is in it.
        below = high.clamp(max=0) + torch.log1p(-torch.exp((low - high).clamp(max=-1e-12))) - math.log(2)
        around = torch.log1p(-0.5 * (torch.exp(low.clamp(max=0)) + torch.exp(-high.clamp(min=0))))
        return torch.where(high <= 0, below, around).flatten(1).sum(dim=1)

    def cost(self, error: Float[Tensor, " n"], size: int) -> Float[Tensor, " n"]:
        """D * error / b + D log(2 b), at b's running optimum."""
        if self.training:
            self._follow(self.scale, self.average(error.detach()), self.SMALLEST)
        return size * error / self.scale + size * torch.log(2 * self.scale)


KINDS: dict[str, Callable[[], Likelihood]] = {
    "bernoulli": Bernoulli,
    "calibrated": CalibratedGaussian,
    "laplace": Laplace,
}


def make_likelihood(kind: str, sigma: float) -> Likelihood:
    """A likelihood by its name in a recipe: bernoulli, gaussian (with its sigma), calibrated or laplace."""
    return Gaussian(sigma) if kind == "gaussian" else KINDS[kind]()
