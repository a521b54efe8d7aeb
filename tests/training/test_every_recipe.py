"""Every recipe that comes with armoire, and the published settings of some."""

from __future__ import annotations

import math
import tomllib

import pytest
import torch
from torch import nn

from armoire.model import Autoencoder, to_unit
from armoire.model.kinds import LIKELIHOODS
from armoire.training import load_recipe, recipe_names
from armoire.training.randomness import generator
from armoire.training.recipe import parse_recipe
from armoire.training.schedule import learning_rate
from armoire.training.step import forward

NARROW = 8  # channels; the published networks are wide, and what is tested here does not depend on it
PUBLISHED_FACES = {"celeba-vae": (64, (64,) * 5), "celeba-vae-32": (32, (128,) * 4)}
every = pytest.mark.parametrize("name", recipe_names())
faces = pytest.mark.parametrize("name", PUBLISHED_FACES)


@every
def test_it_describes_itself_and_survives_toml(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert 10 < len(recipe.summary) < 100
    for text in (recipe.to_toml(), recipe.to_toml(comments=True), recipe.to_toml(everything=False)):
        assert parse_recipe(tomllib.loads(text), name) == recipe


@every
def test_its_steps_lower_the_objective_of_a_batch(name, discs):
    recipe = load_recipe(name)
    fashion = recipe.data == "fashion-mnist"
    images = discs(12, 4, size=32 if fashion else recipe.size or 64, channels=1 if fashion else 3)
    recipe = recipe.change(latent=8 if recipe.latent == "auto" else None)
    recipe = recipe.change(channels=[NARROW] * (len(recipe.channels) or (images.shape[0] // 4).bit_length() - 1))
    x = to_unit(torch.from_numpy(images.split("train").images.copy()))
    model = Autoencoder(recipe.architecture(images), generator(0, "weights")).train()
    optimizer = torch.optim.Adam(model.parameters())
    # A Gaussian of fixed sigma costs much more where there is no error at all than errors add to it.
    floor = model.likelihood.cost(torch.zeros(1), x[0].numel()).item() if recipe.likelihood == "gaussian" else 0.0

    def objective() -> float:
        with torch.no_grad():
            return forward(model.terms, x, recipe, generator(0, "step", 0)).objective(recipe.beta).mean().item() - floor

    objective()  # a likelihood that calibrates itself starts where the data put it
    before = objective()
    for step in range(8):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step, total=100)
        optimizer.zero_grad()
        forward(model.terms, x, recipe, generator(0, "step", step)).objective(recipe.beta).mean().backward()
        optimizer.step()
    assert objective() < 0.995 * before


def test_the_published_settings_of_fashion_mnist():
    vae, ae, dae = (load_recipe(f"fashion-{kind}") for kind in ("vae", "ae", "dae"))
    for recipe in (vae, ae, dae):
        assert (recipe.data, recipe.channels, recipe.dimensions) == ("fashion-mnist", (32, 64, 128), 2)
        assert (recipe.batch, recipe.epochs, recipe.likelihood) == (100, 5, "bernoulli")
    assert (vae.posterior, vae.beta, vae.published_weight) == ("gaussian", 2.048, 500.0)
    assert (ae.posterior, ae.noise, ae.published_weight) == ("point", 0.0, 1.0)
    assert dae.noise > 0
    assert load_recipe("fashion-ae-rmse").published_error == "rmse"


@faces
def test_the_published_settings_of_celeba(name):
    recipe, (size, channels) = load_recipe(name), PUBLISHED_FACES[name]
    assert (recipe.size, recipe.channels, recipe.fit) == (size, channels, "stretch")
    assert (recipe.posterior, recipe.dimensions, recipe.likelihood, recipe.beta) == ("gaussian", 200, "gaussian", 1)
    assert (recipe.norm, recipe.activation) == ("batch", "leaky_relu")
    assert (recipe.lr, recipe.schedule, recipe.batch, recipe.epochs) == (5e-4, "constant", 128, 5)
    assert (recipe.published_weight, recipe.published_error) == (2000, "mse")
    # The distortion is 2000 times the squared error, up to a constant.
    assert recipe.sigma == pytest.approx(math.sqrt(3 * size * size / (2 * 2000)))
    cost = LIKELIHOODS.get("gaussian").build(recipe.sigma).cost(torch.tensor([0.0, 0.03, 0.1]), 3 * size * size)
    assert (cost - cost[0]).tolist() == pytest.approx([0, 60, 200], rel=1e-4, abs=0.05)


@faces
def test_the_published_network_of_celeba(name, discs):
    size, channels = PUBLISHED_FACES[name]
    model = Autoencoder(load_recipe(name).architecture(discs(12, 4, size=size, channels=3)))
    encoder, decoder = (
        [type(m).__name__ for m in net.modules() if not list(m.children())] for net in (model.encoder, model.decoder)
    )
    stage = ["BatchNorm2d", "LeakyReLU"]
    assert encoder == ["HalvingConv", *stage] * len(channels) + ["Flatten"]
    assert decoder == [
        "Linear", "BatchNorm1d", "LeakyReLU", "Unflatten", *["DoublingConv", *stage] * len(channels), "SameConv",
    ]  # fmt: skip
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert {m.kernel_size for m in convolutions} == {(3, 3)}
    assert [m.stride for m in convolutions] == [(2, 2)] * 2 * len(channels) + [(1, 1)]
    assert model.decoder[0].weight.shape == (channels[-1] * (size >> len(channels)) ** 2, 200)
