"""Outliers: images whose reconstruction error exceeds the 99th percentile over the held-out images.

The error is the mean squared error per pixel value of the reconstruction from the posterior mean. Results
computed from the latent of an outlier may mean little: an edit or a morph starts from a poor reconstruction.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from armoire.images import ImageSet
from armoire.io.artifacts import JsonFormat
from armoire.model import Autoencoder
from armoire.progress import SILENT, Progress
from armoire.training.averages import EVALUATION_BATCH
from armoire.training.batches import Batches

THRESHOLD = 99  # the percentile above which an image is an outlier
# Rounding of sums depends on the batch: an image at the threshold itself does not exceed it.
ROUNDING = 1e-4


@dataclass(frozen=True)
class ErrorPercentiles:
    """Percentiles 0 to 100 of the reconstruction errors, mean squared per pixel value, of held-out images."""

    percentiles: tuple[float, ...]
    images: int  # with fewer than 100, the threshold is the largest error

    @property
    def threshold(self) -> float:
        """The mean squared error per pixel value that 99 % of the held-out images do not exceed."""
        return self.percentiles[THRESHOLD]

    def are_outliers(self, errors: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which errors exceed the threshold."""
        return errors > self.threshold * (1 + ROUNDING)


@torch.no_grad()
def squared_errors(
    model: Autoencoder, pixels: UInt8[np.ndarray, "n h w c"], progress: Progress = SILENT
) -> Float[np.ndarray, " n"]:
    """Mean squared error per pixel value of each image's reconstruction from its posterior mean."""
    errors = [np.empty(0)]
    with progress.task("reconstructing images", len(pixels), "images", rate=True) as task:
        for x in Batches(pixels, model.device).in_turn(EVALUATION_BATCH):
            errors.append((model(x) - x).square().mean(dim=(1, 2, 3)).cpu().numpy().astype(np.float64))
            task.advance(len(x))
    return np.concatenate(errors)


def measure_percentiles(model: Autoencoder, images: ImageSet, progress: Progress = SILENT) -> ErrorPercentiles:
    """The error percentiles of the held-out images of a set."""
    held_out = images.split(images.held_out)
    errors = squared_errors(model, held_out.images, progress)
    # No interpolation: of few images none is an outlier.
    percentiles = np.quantile(errors, np.arange(101) / 100, method="inverted_cdf")
    return ErrorPercentiles(tuple(percentiles.tolist()), len(errors))


def _decode(content: dict[str, Any]) -> ErrorPercentiles:
    found = ErrorPercentiles(tuple(map(float, content["percentiles"])), int(content["images"]))
    if len(found.percentiles) != 101 or not all(map(math.isfinite, found.percentiles)):
        raise ValueError("it does not contain 101 finite percentiles")
    return found


#: RUN/error_percentiles.json
PERCENTILES = JsonFormat("armoire-error-percentiles-1", asdict, _decode)
