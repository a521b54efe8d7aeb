"""Distortion, rate and objective averaged over images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from armoire.model import Autoencoder, Terms
from armoire.model.kinds import LIKELIHOODS
from armoire.training.batches import Batches
from armoire.training.distributed import ALONE, DistributedContext
from armoire.training.randomness import generator
from armoire.training.recipe import Recipe
from armoire.training.step import forward

EVALUATION_BATCH = 200


@dataclass(frozen=True)
class Averages:
    """Means over images, in nats per image; `error` per pixel value, in the likelihood's unit."""

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


def published_scale(recipe: Recipe, averages: Averages) -> PublishedScale | None:
    """Averages in the recipe's published scale, or None where it has no counterpart.

    weight * mean error + KL = (weight / D) * [distortion + (D / weight) * rate] for the Bernoulli likelihood; the
    squared error is that of a Gaussian with sigma^2 = D / (2 * weight) and beta = 1.
    """
    if recipe.published_weight is None or recipe.published_error is None:
        return None
    if LIKELIHOODS.get(recipe.likelihood).unit != recipe.published_error.removeprefix("r"):  # rmse: from mse
        return None
    error = averages.error**0.5 if recipe.published_error == "rmse" else averages.error
    reconstruction = recipe.published_weight * error
    return PublishedScale(reconstruction, averages.rate, reconstruction + averages.rate)


class RunningMeans:
    """Running sums of distortion, rate and error, in float64, on the device."""

    def __init__(self, device: torch.device, values: Tensor | None = None) -> None:
        # mps has no float64
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self.values = torch.zeros(4, dtype=dtype) if values is None else values.to(dtype)
        self.values = self.values.to(device)

    def add(self, terms: Terms) -> None:
        sums = torch.stack([terms.distortion.sum(), terms.rate.sum(), terms.error.sum()]).detach()
        self.values[:3] += sums.to(self.values.dtype)
        self.values[3] += len(terms.rate)

    def averages(self, beta: float, distributed: DistributedContext = ALONE) -> Averages:
        """Means over all images counted, by all processes."""
        distortion, rate, error, n = distributed.sum(self.values).tolist()
        return Averages(distortion / n, rate / n, (distortion + beta * rate) / n, error / n)


@torch.no_grad()
def average_over(
    model: Autoencoder, images: Batches, recipe: Recipe, distributed: DistributedContext = ALONE
) -> Averages:
    """Averages over all images in evaluation mode, with draws of their own; processes take turns at the batches."""
    was_training = model.training
    model.eval()
    means = RunningMeans(model.device)
    starts = range(0, len(images), EVALUATION_BATCH)
    for position in range(distributed.rank, len(starts), distributed.size):
        x = images.batch(torch.arange(starts[position], min(starts[position] + EVALUATION_BATCH, len(images))))
        draws = generator(recipe.seed, "held out", position, model.device)
        means.add(forward(model.terms, x, recipe, draws))
    model.train(was_training)
    return means.averages(recipe.beta, distributed)


@torch.no_grad()
def at_fitted_scale(model: Autoencoder, averages: Averages, recipe: Recipe) -> Averages:
    """Fit the likelihood's scale, if it has one, to images that are not trained on; their averages at that scale."""
    likelihood, was_training = model.likelihood, model.training
    if not likelihood.fit_scale(averages.error):
        return averages
    likelihood.eval()  # `cost` would count the error as that of a batch
    distortion = float(likelihood.cost(torch.tensor([averages.error], device=model.device), model.pixels))
    likelihood.train(was_training)
    return replace(averages, distortion=distortion, objective=distortion + recipe.beta * averages.rate)
