"""Outliers: images that a run cannot reconstruct as well as images that it was not trained on.

The score of an image is the largest value of its error map (see `error_maps`): a defect is in one place, and the mean
over all pixels hides it. The threshold comes from n calibration images that the run was not trained on: it is the k-th
largest of their scores. For a new image of the same kind the probability of a larger one is at most k / (n + 1),
whatever the distribution of the scores (split conformal prediction; Vovk, Gammerman and Shafer 2005), and given the
calibration images it is distributed as Beta(k, n + 1 - k), whose relative standard deviation is about 1 / sqrt(k).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armoire.errors import ArmoireError
from armoire.io.artifacts import TensorFormat
from armoire.priors.normal import Gaussian
from armoire.priors.prior import finite_array
from armoire.priors.whitening import Whitening
from armoire.wardrobe.error_maps import ErrorMaps

RATE = 0.01  # of images of the usual kind that are called outliers, where there are images enough
HIGHEST_RATE = 0.05  # where there are fewer
ENOUGH = 10  # calibration images above the threshold: the rate is known within a third
FEWEST = 2  # calibration images
MOST = 5000  # of them; of large images fewer, as many as have MOST_PIXELS together
MOST_PIXELS = 1 << 26
ROW = ("outlier", "percentile", "error_percentile", "density_percentile")
# Rounding of sums depends on the batch: an image at the threshold itself does not exceed it.
ROUNDING = 1e-4


@dataclass(frozen=True, eq=False)
class Outliers:
    """How unusual each of n images is.

    Attributes:
        is_outlier: whether its score exceeds 1.
        percentile: share of the calibration images with a lower score, in %.
        error_percentile: share of them with a smaller mean squared error, in %.
        density_percentile: share of them with a lower density of the latent, in %: near 0 for unusual ones.
        scores: the largest value of its heat map.
        errors: mean squared error per pixel value.
        heat_maps: its error map, in units of the threshold: where it exceeds 1, the image is an outlier.
    """

    is_outlier: Bool[np.ndarray, " n"]
    percentile: Float[np.ndarray, " n"]
    error_percentile: Float[np.ndarray, " n"]
    density_percentile: Float[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]
    errors: Float[np.ndarray, " n"]
    heat_maps: Float[np.ndarray, "n h w"]

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def joined(cls, parts: Sequence[Outliers]) -> Outliers:
        """The images of all parts."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def rows(self) -> list[dict[str, Any]]:
        """The verdict and the percentiles of each image, by the names in `ROW`, for JSON."""
        columns = (self.is_outlier, self.percentile, self.error_percentile, self.density_percentile)
        return [dict(zip(ROW, row, strict=True)) for row in zip(*(c.tolist() for c in columns), strict=True)]

    @property
    def order(self) -> np.ndarray:
        """Rows from the least usual image to the most usual one."""
        return np.argsort(-self.scores, kind="stable")


@dataclass(frozen=True, eq=False)
class Calibration:
    """What is usual for n images that a run was not trained on, and the threshold that follows.

    Attributes:
        density: the Gaussian of the latents that were trained on.
        errors: mean squared errors per pixel value, sorted.
        distances: distances of latents to the mean of the training latents, sorted, in standard deviations.
        scores: largest values of the error maps, sorted.
    """

    density: Gaussian
    errors: Float[np.ndarray, " n"]
    distances: Float[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]

    @property
    def images(self) -> int:
        return len(self.scores)

    @property
    def exceeding(self) -> int:
        """k: the number of calibration images whose score is at least the threshold."""
        n = self.images + 1
        return max(1, int(RATE * n), min(ENOUGH, int(HIGHEST_RATE * n)))

    @property
    def threshold(self) -> float:
        """The score above which an image is an outlier."""
        return float(self.scores[-self.exceeding])

    @property
    def false_positive_rate(self) -> float:
        """The expected share of outliers among other images of the same kind."""
        return self.exceeding / (self.images + 1)

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of that share, given these calibration images."""
        from scipy.stats import beta

        low, high = beta.ppf((0.025, 0.975), self.exceeding, self.images + 1 - self.exceeding)
        return float(low), float(high)

    def to_dict(self) -> dict[str, Any]:
        """What percentiles and verdicts are based on, for JSON."""
        return {
            "images": self.images,
            "density": self.density.name,
            "false_positive_rate": self.false_positive_rate,
            "false_positive_rate_interval": list(self.interval),
        }

    @property
    def statement(self) -> str:
        """The threshold in words."""
        low, high = self.interval
        usual = self.images - self.exceeding
        return (
            f"an image is an outlier if one place of it is reconstructed worse than any of {usual:,} of "
            f"{self.images:,} images that were not trained on; {self.false_positive_rate:.1%} of other images of "
            f"their kind are expected to be (95 % interval {low:.1%} to {high:.1%})"
        )

    def error_percentiles(self) -> list[float]:
        """Percentiles 0 to 100 of the mean squared errors, without interpolation."""
        return np.quantile(self.errors, np.arange(101) / 100, method="inverted_cdf").tolist()

    @classmethod
    def of(cls, found: ErrorMaps, trained_on: Float[np.ndarray, "m d"]) -> Calibration:
        """What is usual for the images `found`; `trained_on` are the latents of those that the run was trained on.

        Raises:
            ArmoireError: there are fewer than 2 images, or latents have no density.
        """
        if len(found) < FEWEST:
            raise ArmoireError(
                f"it takes {FEWEST} images that were not trained on, and there is {len(found)}; give more images"
            )
        if not np.isfinite(trained_on).all():
            raise ArmoireError("some latents of training images are not finite; train again with a smaller --lr")
        density = Gaussian.of(trained_on)
        parts = (found.means, _distances(density, found.latents), found.largest.astype(np.float64))
        return cls(density, *(np.sort(values) for values in parts))

    def judge(self, found: ErrorMaps) -> Outliers:
        """How unusual images are."""
        unit = max(self.threshold, np.finfo(np.float32).tiny)
        distances = _distances(self.density, found.latents)
        return Outliers(
            found.largest > unit * (1 + ROUNDING),
            _percentiles(self.scores, found.largest),
            _percentiles(self.errors, found.means),
            100 - _percentiles(self.distances, distances),
            found.largest / np.float32(unit),
            found.means,
            found.maps / np.float32(unit),
        )


def _distances(density: Gaussian, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """Distances to the mean of the training latents, in standard deviations: the density falls with them."""
    return np.linalg.norm(density.whitening.whiten(z).astype(np.float64), axis=1)


def _percentiles(known: Float[np.ndarray, " n"], values: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """Share of the sorted known values that are smaller than each value, in %."""
    return 100 * np.searchsorted(known, values - ROUNDING * np.abs(values)) / len(known)


def _encode(found: Calibration) -> tuple[dict[str, Tensor], Any]:
    arrays = {"errors": found.errors, "distances": found.distances, "scores": found.scores}
    tensors = {name: torch.from_numpy(np.asarray(array, np.float64)) for name, array in arrays.items()}
    return tensors | found.density.whitening.tensors(), {}


def calibration_format(latent: int) -> TensorFormat[Calibration]:
    """RUN/outliers.safetensors, of latents of `latent` dimensions."""

    def decode(content: tuple[dict[str, Tensor], Any]) -> Calibration:
        tensors, _ = content
        if (n := len(tensors["scores"])) < FEWEST:
            raise ValueError(f"it is of {n} images")
        ordered = (np.sort(finite_array(tensors, name, (n,))) for name in ("errors", "distances", "scores"))
        return Calibration(Gaussian(Whitening.from_tensors(tensors, latent)), *ordered)

    return TensorFormat("armoire-outliers-1", _encode, decode)
