"""Whether a model knows images like these: their reconstruction errors against those of the held-out images.

What comes of an image that lies far from the training data may mean little: its place is a guess, and an edit or a
morph starts from something else than the image. The measure is the mean squared error a pixel value of the
reconstruction from the posterior mean; the limit is its 99th percentile over the held-out images, which the model has
not seen either.
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

LIMIT = 99  # the percentile above which an image lies far from the training data
# One image and a batch of many are summed in another order: an image at the limit itself is not above it.
ROUNDING = 1e-4


@dataclass(frozen=True)
class Familiarity:
    """What is usual among the held-out images.

    Attributes:
        percentiles: 101 mean squared errors a pixel value: the p-th is one that p % of the images do not exceed.
        images: how many they were; where fewer than 100, the limit is the largest error of all.
    """

    percentiles: tuple[float, ...]
    images: int

    @property
    def mse_p99(self) -> float:
        """Mean squared error a pixel value that 99 % of them do not exceed."""
        return self.percentiles[LIMIT]

    def far(self, errors: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which errors are above what is usual."""
        return errors > self.mse_p99 * (1 + ROUNDING)


@torch.no_grad()
def squared_errors(
    model: Autoencoder, pixels: UInt8[np.ndarray, "n h w c"], progress: Progress = SILENT
) -> Float[np.ndarray, " n"]:
    """Mean squared error a pixel value of each image's reconstruction from its posterior mean."""
    errors = [np.empty(0)]
    with progress.task("reconstructing held-out images", len(pixels), "images", rate=True) as task:
        for x in Batches(pixels, model.device).in_turn(EVALUATION_BATCH):
            errors.append((model(x) - x).square().mean(dim=(1, 2, 3)).cpu().numpy().astype(np.float64))
            task.advance(len(x))
    return np.concatenate(errors)


def measure_familiarity(model: Autoencoder, images: ImageSet, progress: Progress = SILENT) -> Familiarity:
    """What is usual among the held-out images of a set."""
    held_out = images.split(images.held_out)
    errors = squared_errors(model, held_out.images, progress)
    # No interpolation: of few images none is called a stranger.
    percentiles = np.quantile(errors, np.arange(101) / 100, method="inverted_cdf")
    return Familiarity(tuple(percentiles.tolist()), len(errors))


def familiarity_of(
    model: Autoencoder, images: Callable[[], ImageSet], path: Path, key: dict[str, str], progress: Progress = SILENT
) -> Familiarity | None:
    """What is usual, as kept at `path` or measured and kept there; None, and a note, where the data are gone.

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
        progress.note(f"whether an image lies far from the training data cannot be told: {error}")
        return None
    found = measure_familiarity(model, data, progress)
    # A run that may only be read can still be used: what is kept there saves time, no more.
    with contextlib.suppress(ArmoireError):
        write_checksummed(path, key | asdict(found))
    return found


def _read(path: Path, key: dict[str, str]) -> Familiarity | None:
    try:
        found = read_checksummed(path)
        if any(found.get(name) != value for name, value in key.items()):
            return None
        kept = Familiarity(tuple(map(float, found["percentiles"])), int(found["images"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return kept if len(kept.percentiles) == 101 and all(map(math.isfinite, kept.percentiles)) else None
