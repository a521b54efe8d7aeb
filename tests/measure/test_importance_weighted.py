"""The importance-weighted bound, compared with the exact likelihood of a linear Gaussian model."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from armoire import evaluate, train
from armoire.errors import ArmoireError
from armoire.measure.importance_weighted import importance_weighted_bound, likelihood_bound, log_weights
from armoire.model.posterior import DiagonalGaussian
from armoire.training.randomness import normal_like


class LinearGaussian:
    """x = W z + noise, z ~ N(0, I)."""

    def __init__(self, d: int = 2, size: int = 6, noise: float = 0.5) -> None:
        random = torch.Generator().manual_seed(0)
        self.w = torch.randn(size, d, generator=random, dtype=torch.float64)
        self.noise = noise
        self.x = torch.randn(40, d, generator=random, dtype=torch.float64) @ self.w.T
        self.x += noise * torch.randn(40, size, generator=random, dtype=torch.float64)

    def log_joint(self, z: torch.Tensor) -> torch.Tensor:
        log_likelihood = torch.distributions.Normal(z.double() @ self.w.T, self.noise).log_prob(self.x).sum(dim=1)
        return log_likelihood + torch.distributions.Normal(0.0, 1.0).log_prob(z.double()).sum(dim=1)

    def exact(self) -> float:
        size = len(self.w)
        covariance = self.w @ self.w.T + self.noise**2 * torch.eye(size, dtype=torch.float64)
        normal = torch.distributions.MultivariateNormal(torch.zeros(size, dtype=torch.float64), covariance)
        return float(normal.log_prob(self.x).mean())

    def posterior(self, wider: float = 1.0) -> DiagonalGaussian:
        """The exact means, and variances that leave the correlations out."""
        precision = torch.eye(2, dtype=torch.float64) + self.w.T @ self.w / self.noise**2
        covariance = torch.linalg.inv(precision)
        mean = self.x @ self.w @ covariance / self.noise**2
        return DiagonalGaussian(mean, torch.log(wider * torch.diag(covariance)).expand_as(mean))

    def bound(self, draws: int, seed: int = 0) -> float:
        random = torch.Generator().manual_seed(seed)
        weights = log_weights(self.posterior(1.5), self.log_joint, draws, random)
        return float(importance_weighted_bound(weights).mean())


def test_the_bound_grows_with_the_draws_and_meets_the_exact_likelihood():
    model = LinearGaussian()
    bounds = [np.mean([model.bound(draws, seed) for seed in range(20)]) for draws in (1, 5, 50, 500)]
    assert bounds == sorted(bounds)
    assert bounds[0] < model.exact() - 0.05  # the posterior is not the exact one
    assert bounds[-1] == pytest.approx(model.exact(), abs=2e-3)


def test_one_draw_is_the_elbo():
    model, random = LinearGaussian(), torch.Generator().manual_seed(3)
    posterior = model.posterior()
    weights = log_weights(posterior, model.log_joint, 1, random)
    z = posterior.sample(normal_like(posterior.mean, torch.Generator().manual_seed(3)))
    expected = model.log_joint(z) - posterior.log_prob(z)
    torch.testing.assert_close(importance_weighted_bound(weights), expected)


def test_bits_per_dimension_of_a_run(tiny, discs, tmp_path):
    wardrobe = train(tiny("images-vae", likelihood="calibrated", epochs=4), discs(), tmp_path / "r", device="cpu")
    part = wardrobe.images.split("test")
    one, many = (likelihood_bound(wardrobe, part, draws) for draws in (1, 64))
    assert one["log_likelihood_nats"] == pytest.approx(one["elbo_nats"])
    assert many["log_likelihood_nats"] > many["elbo_nats"]
    # A uniform distribution over bytes has 8 bits; half-black discs need far less.
    assert 0 < many["bits_per_dimension"] < 8
    nats = -many["bits_per_dimension"] * wardrobe.model.pixels * math.log(2)
    assert many["log_likelihood_nats"] == pytest.approx(nats)
    assert evaluate(wardrobe, draws=64).likelihood == many
    assert evaluate(wardrobe).likelihood is None


@pytest.mark.parametrize(
    ("settings", "prior", "words"),
    [
        ({"likelihood": "bernoulli"}, None, "bernoulli likelihood is not normalised"),
        ({"likelihood": "calibrated", "posterior": "point"}, None, "points, which have no density"),
        ({"likelihood": "laplace"}, "box", "--prior normal"),
    ],
)
def test_a_run_without_a_likelihood_says_why(tiny, discs, tmp_path, settings, prior, words):
    wardrobe = train(tiny("images-vae", **settings, epochs=1), discs(), tmp_path / "r", device="cpu")
    with pytest.raises(ArmoireError, match=words):
        evaluate(wardrobe, draws=2, prior=prior)
