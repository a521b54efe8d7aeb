"""Likelihood in bits per dimension: the importance-weighted bound of Burda et al. 2016 (arXiv:1509.00519)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.measure.measure import Measure
from armoire.model import Posterior
from armoire.priors import Box, Prior
from armoire.progress import SILENT, Progress
from armoire.training.batches import Batches
from armoire.training.randomness import generator, normal_like
from armoire.wardrobe import Wardrobe

IMAGES = 1000  # held-out images that the bound is averaged over
AT_ONCE = 50


def importance_weighted_bound(log_weights: Float[Tensor, "k n"]) -> Float[Tensor, " n"]:
    """log 1/K sum_k w_k of log w_k = log p(x|z_k) + log p(z_k) - log q(z_k|x), z_k ~ q(z|x); eq. 8 of arXiv:1509.00519.

    At most log p(x) in expectation, equal to the ELBO for K = 1 and increasing with K.
    """
    return torch.logsumexp(log_weights, dim=0) - math.log(len(log_weights))


def log_weights(
    posterior: Posterior, log_joint: Callable[[Tensor], Tensor], draws: int, random: torch.Generator
) -> Float[Tensor, "k n"]:
    """log w_k = log p(x, z_k) - log q(z_k|x) of K draws from each of n posteriors; `log_joint` is z (n, d) to (n,)."""
    values = []
    for _ in range(draws):
        z = posterior.sample(normal_like(posterior.mean, random))
        values.append(log_joint(z) - posterior.log_prob(z).cpu().double())
    return torch.stack(values)


def no_bound(wardrobe: Wardrobe, prior: Prior | None = None) -> str:
    """Why the bound is not defined for a run, "" where it is."""
    if not wardrobe.model.posterior.is_stochastic:
        return "an autoencoder encodes images as points, which have no density; train a VAE, such as images-vae"
    if isinstance(_with_density(wardrobe, prior), Box):
        return "the box prior has no density outside of the box; use --prior normal"
    return wardrobe.model.likelihood.no_mass


@torch.no_grad()
def likelihood_bound(
    wardrobe: Wardrobe, part: ImageSet, draws: int, prior: Prior | None = None, progress: Progress = SILENT
) -> dict[str, Any]:
    """The importance-weighted bound on the first 1,000 of some images, `likelihood` in an evaluation.

    Returns:
        n; draws; prior, whose density was used; log_likelihood_nats: the bound per image, on log p(x) of pixels that
        are bytes;
        standard_error_nats: of its mean over images; elbo_nats: the same with one draw; bits_per_dimension:
        -log_likelihood_nats / (D log 2).
    """
    prior = _with_density(wardrobe, prior)
    if reason := no_bound(wardrobe, prior):
        raise ArmoireError(f"no likelihood of {wardrobe.run}: {reason}")
    model = wardrobe.model.eval()
    n = min(IMAGES, len(part))
    bounds, elbos = [], []
    with progress.task("importance sampling", n, "images", rate=True) as task:
        for number, x in enumerate(Batches(part.images[:n], model.device).in_turn(AT_ONCE)):
            posterior = model.encode(x)

            def log_joint(z: Tensor, x: Tensor = x) -> Tensor:
                # On the CPU: mps has no float64.
                log_likelihood = model.likelihood.log_mass(model.decoder(z).cpu(), x.cpu()).double()
                return log_likelihood + torch.from_numpy(prior.log_prob(z.cpu().numpy())).double()

            random = generator(wardrobe.recipe.seed, "bound", number, model.device)
            weights = log_weights(posterior, log_joint, draws, random)
            bounds.append(importance_weighted_bound(weights).numpy())
            elbos.append(weights.mean(dim=0).numpy())
            task.advance(len(x))
    nats = np.concatenate(bounds)
    return {
        "n": n,
        "draws": draws,
        "prior": prior.name,
        "log_likelihood_nats": float(nats.mean()),
        "standard_error_nats": float(nats.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan,
        "elbo_nats": float(np.concatenate(elbos).mean()),
        "bits_per_dimension": float(-nats.mean() / (model.pixels * math.log(2))),
    }


def _with_density(wardrobe: Wardrobe, prior: Prior | None) -> Prior:
    return prior if prior and prior.has_density else wardrobe.prior(with_density=True)


MEASURE = Measure(
    lambda context: likelihood_bound(
        context.wardrobe, context.part, context.options.draws or 1, context.prior, context.progress
    ),
    lambda context: context.options.draws is not None,
)
