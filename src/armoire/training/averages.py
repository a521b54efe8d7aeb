"""Distortion, rate and objective averaged over images: the one place where the batch is reduced."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from armoire.model import Autoencoder, Terms
from armoire.model.draws import Draws
from armoire.training.batches import Batches
from armoire.training.distributed import ALONE, DistributedContext
from armoire.training.noise import corrupt
from armoire.training.randomness import generator
from armoire.training.recipe import Recipe

EVALUATION_BATCH = 200


@dataclass(frozen=True)
class Averages:
    """Means over images, in nats per image; `error` a pixel value, in the likelihood's unit."""

    distortion: float
    rate: float
    objective: float
    error: float


@dataclass(frozen=True)
class PublishedScale:
    """The same numbers in the scale of the published code: weight * mean error over pixels, + KL."""

    reconstruction_loss: float
    kl_loss: float
    total_loss: float

    def to_dict(self) -> dict[str, float]:
        """Plain values, under the keys of `evaluate --json`."""
        return asdict(self)


def published_scale(recipe: Recipe, averages: Averages) -> PublishedScale | None:
    """Averages in the recipe's published scale, or None where it has no counterpart.

    weight * mean error + KL = (weight / D) * [distortion + (D / weight) * rate] for the Bernoulli likelihood; the
    squared error is that of a Gaussian with sigma^2 = D / (2 * weight) and beta = 1.
    """
    if recipe.published_weight is None or recipe.published_error is None:
        return None
    # An absolute error has no counterpart; the others are what their likelihoods measure.
    if recipe.likelihood == "laplace" or (recipe.published_error == "bce") != (recipe.likelihood == "bernoulli"):
        return None
    error = averages.error**0.5 if recipe.published_error == "rmse" else averages.error
    reconstruction = recipe.published_weight * error
    return PublishedScale(reconstruction, averages.rate, reconstruction + averages.rate)


class RunningMeans:
    """Running sums of distortion, rate and error, in float64, on the device until they are asked for."""

    def __init__(self, device: torch.device, values: Tensor | None = None) -> None:
        # mps has no float64
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self.values = torch.zeros(4, dtype=dtype) if values is None else values.to(dtype)
        self.values = self.values.to(device)

    def add(self, terms: Terms) -> None:
        """Count a batch."""
        sums = torch.stack([terms.distortion.sum(), terms.rate.sum(), terms.error.sum()]).detach()
        self.values[:3] += sums.to(self.values.dtype)
        self.values[3] += len(terms.rate)

    def averages(self, beta: float, distributed: DistributedContext = ALONE) -> Averages:
        """Means over all images counted, by all processes."""
        distortion, rate, error, n = distributed.sum(self.values).tolist()
        return Averages(distortion / n, rate / n, (distortion + beta * rate) / n, error / n)


def forward(model: Autoencoder, x: Tensor, recipe: Recipe, draws: Draws) -> Terms:
    """What a batch costs under a recipe: noise on the input where it says so, one z drawn an image."""
    seen = corrupt(x, recipe.noise, draws) if recipe.noise else None
    return model.terms(x, draws, seen)


@torch.no_grad()
def average_over(
    model: Autoencoder, feed: Batches, recipe: Recipe, distributed: DistributedContext = ALONE
) -> Averages:
    """Averages over all of a feed in evaluation mode, by the very objective of training, with draws of their own.

    Several processes take batches in turn.
    """
    was_training = model.training
    model.eval()
    sums = RunningMeans(model.device)
    starts = range(0, len(feed), EVALUATION_BATCH)
    for position in range(distributed.rank, len(starts), distributed.size):
        x = feed.batch(torch.arange(starts[position], min(starts[position] + EVALUATION_BATCH, len(feed))))
        sums.add(forward(model, x, recipe, generator(recipe.seed, "held out", position, model.device)))
    model.train(was_training)
    return sums.averages(recipe.beta, distributed)
