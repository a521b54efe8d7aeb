"""Outliers: images whose reconstruction error exceeds the 99th percentile over the held-out images.

The error is the mean squared error per pixel value of the reconstruction from the posterior mean. What is computed
from the latent of an outlier may mean little: an edit or a morph starts from something else than the image.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.io.files import read_checksummed, write_checksummed
from armoire.model import Autoencoder
from armoire.progress import SILENT, Progress
from armoire.training.averages import EVALUATION_BATCH
from armoire.training.batches import Batches

THRESHOLD = 99  # the percentile above which an image is an outlier
# Sums differ with the batch: an image at the threshold itself is not above it.
ROUNDING = 1e-4


@dataclass(frozen=True)
class ErrorPercentiles:
    """Percentiles 0 to 100 of the held-out images' reconstruction errors.

    Attributes:
        percentiles: 101 mean squared errors per pixel value; p % of the images do not exceed the p-th.
        images: number of held-out images; with fewer than 100, the threshold is the largest error.
    """

    percentiles: tuple[float, ...]
    images: int

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
    with progress.task("reconstructing held-out images", len(pixels), "images", rate=True) as task:
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


def error_percentiles(
    model: Autoencoder, images: Callable[[], ImageSet], path: Path, key: dict[str, str], progress: Progress = SILENT
) -> ErrorPercentiles | None:
    """The error percentiles cached at `path`, measured if need be; None, and a note, where the data are gone.

    Args:
        model: the trained model.
        images: gives its data set, where that is needed.
        path: the JSON file.
        key: what it holds for, the data and the weights: a file of others, or a damaged one, is made again.
        progress: where to report.
    """
    if (kept := _read(path, key)) is not None:
        return kept
    try:
        data = images()
    except ArmoireError as error:
        progress.note(f"outliers cannot be detected: {error}")
        return None
    found = measure_percentiles(model, data, progress)
    # A run that may only be read can still be used: what is kept there saves time, no more.
    with contextlib.suppress(ArmoireError):
        write_checksummed(path, key | asdict(found))
    return found


def _read(path: Path, key: dict[str, str]) -> ErrorPercentiles | None:
    try:
        found = read_checksummed(path)
        if any(found.get(name) != value for name, value in key.items()):
            return None
        kept = ErrorPercentiles(tuple(map(float, found["percentiles"])), int(found["images"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return kept if len(kept.percentiles) == 101 and all(map(math.isfinite, kept.percentiles)) else None
