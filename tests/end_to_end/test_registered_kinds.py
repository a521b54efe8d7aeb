"""A registered posterior, likelihood and network work wherever the built-in ones do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import armoire
from armoire import figures
from armoire.model import LIKELIHOODS, NETWORKS, POSTERIORS, Likelihood, PlainNetwork, Posterior
from armoire.publish.site import export_site
from armoire.training.recipe import parse_recipe


@dataclass(frozen=True)
class LaplacePosterior(Posterior):
    """q(z|x) = Laplace(mean, scale) in each dimension."""

    is_stochastic, parameters, default_prior, model_name = True, ("mean", "log_scale"), "normal", "Laplace VAE"
    mean: Tensor
    log_scale: Tensor

    @property
    def log_var(self) -> Tensor:
        return 2 * self.log_scale + math.log(2)

    def sample(self, noise: Tensor) -> Tensor:
        u = torch.special.ndtr(noise) - 0.5
        return self.mean - self.log_scale.exp() * u.sign() * torch.log1p(-2 * u.abs())

    def log_prob(self, z: Tensor) -> Tensor:
        return -((z - self.mean).abs() / self.log_scale.exp() + self.log_scale + math.log(2)).sum(dim=1)

    def rate(self) -> Tensor:
        second_moment = self.mean.square() + 2 * torch.exp(2 * self.log_scale)
        return (0.5 * (math.log(2 * math.pi) + second_moment) - 1 - math.log(2) - self.log_scale).sum(dim=1)


class Quartic(Likelihood):
    unit, loss_name, error_name = "m4e", "fourth power of the error", "fourth power of the error per pixel value"

    def error(self, output: Tensor, x: Tensor) -> Tensor:
        return (self.mean(output) - x).pow(4).flatten(1).mean(dim=1)

    def cost(self, error: Tensor, size: int) -> Tensor:
        return size * error / 2e-4


class Dense(PlainNetwork):
    def encoder(self) -> tuple[nn.Module, int]:
        return nn.Sequential(nn.Flatten(), nn.Linear(self.architecture.pixels, 16), nn.ReLU()), 16


KINDS = {"posterior": "laplace-z", "likelihood": "quartic", "blocks": "dense"}


@pytest.fixture(scope="module")
def registered():
    registries = (POSTERIORS, LaplacePosterior), (LIKELIHOODS, Quartic), (NETWORKS, Dense)
    with pytest.MonkeyPatch.context() as patch:
        for (registry, kind), name in zip(registries, KINDS.values(), strict=True):
            patch.setattr(registry, "_registered", dict(registry._registered))
            registry.register(name, kind)
        yield


@pytest.fixture(scope="module")
def wardrobe(registered, tmp_path_factory, tiny, discs):
    recipe = tiny(**KINDS, latent=3, published_weight=None, published_error=None)
    return armoire.train(recipe, discs(120, 60), tmp_path_factory.mktemp("runs") / "own", device="cpu")


def test_the_recipe_knows_what_is_registered(registered, tiny):
    recipe = tiny(**KINDS)
    assert parse_recipe({"name": "own"} | KINDS, "here").posterior_class is LaplacePosterior
    assert recipe.lead == recipe.summary
    text = recipe.to_toml(comments=True)
    assert "bernoulli, gaussian, calibrated, laplace, quartic" in text and "plain, residual, dense" in text
    with pytest.raises(armoire.ArmoireError, match=r"likelihood in .* 'quartic', not 'quartc'"):
        recipe.change(likelihood="quartc")


def test_training_and_saving(wardrobe):
    last = wardrobe.run.history[-1]
    assert last["train_objective_nats"] < wardrobe.run.history[0]["train_objective_nats"]
    assert last["test_rate_nats"] > 0
    opened = armoire.Autoencoder.from_pretrained(wardrobe.run.path)
    assert isinstance(opened.encode(torch.zeros(1, 1, 16, 16)), LaplacePosterior)
    assert isinstance(opened.likelihood, Quartic)
    expected = opened.encode(torch.zeros(2, 1, 16, 16)).log_var
    assert wardrobe.latents.log_var is not None and wardrobe.latents.log_var.shape[1] == expected.shape[1]


def test_figures_evaluation_prior_and_site(wardrobe, tmp_path, quick_features):
    drawn = {path.stem for path in figures.save(wardrobe)}
    assert {"reconstructions", "samples", "latent", "losses"} <= drawn
    found = armoire.evaluate(wardrobe, samples=64).to_dict()
    assert found["elbo"]["rate_nats"] > 0
    assert wardrobe.prior().name.startswith("N(0")
    wardrobe.fit_prior("gmm")
    assert np.isfinite(wardrobe.sample(20, prior="gmm")).all()
    export_site(wardrobe.run, tmp_path / "site", images=wardrobe.images)
    assert (tmp_path / "site" / "index.html").is_file()
