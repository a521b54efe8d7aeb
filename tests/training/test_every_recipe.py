"""The contract that every recipe keeps."""

from __future__ import annotations

import tomllib

import pytest
import torch

from armoire.model import Autoencoder, to_unit
from armoire.training import load_recipe, recipe_names
from armoire.training.randomness import generator
from armoire.training.recipe import parse_recipe
from armoire.training.schedule import learning_rate
from armoire.training.step import forward

# The published networks are wide: what is tested here does not depend on their width.
NARROW = 8
pytestmark = pytest.mark.parametrize("name", recipe_names())


def narrow(name: str, images):
    """A recipe with few channels, as many halvings as it says."""
    recipe = load_recipe(name)
    stages = len(recipe.channels) or (images.shape[0] // 4).bit_length() - 1
    return recipe.change(channels=[NARROW] * stages)


@pytest.fixture
def images(name, discs):
    recipe = load_recipe(name)
    fashion = recipe.data == "fashion-mnist"
    return discs(12, 4, size=32 if fashion else recipe.size or 64, channels=1 if fashion else 3)


def batch(images) -> torch.Tensor:
    return to_unit(torch.from_numpy(images.split("train").images.copy()))


def test_it_loads_and_says_what_it_is(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert 10 < len(recipe.summary) < 100


def test_it_survives_toml(name):
    recipe = load_recipe(name)
    for text in (recipe.to_toml(), recipe.to_toml(comments=True), recipe.to_toml(everything=False)):
        assert parse_recipe(tomllib.loads(text), name) == recipe


def test_it_encodes_decodes_and_costs(name, images):
    recipe, x = narrow(name, images), batch(images)
    model = Autoencoder(recipe.architecture(images), torch.Generator().manual_seed(0)).train()
    terms = forward(model.terms, x, recipe, torch.Generator().manual_seed(0))
    assert terms.z.shape == model.encode(x).mean.shape == (12, recipe.latent)
    assert terms.distortion.shape == terms.rate.shape == (12,)
    assert torch.isfinite(terms.objective(recipe.beta)).all()
    assert ((terms.rate == 0) if recipe.posterior == "point" else (terms.rate > 0)).all()
    for z in (terms.z, 100 * torch.randn(12, recipe.latent)):
        made = model.decode(z)
        assert made.shape == x.shape
        assert ((made >= 0) & (made <= 1)).all()


def test_its_steps_lower_the_objective_of_a_batch(name, images):
    recipe, x = narrow(name, images), batch(images)
    model = Autoencoder(recipe.architecture(images), generator(0, "weights"))
    optimizer = torch.optim.Adam(model.parameters())
    # A Gaussian of fixed sigma costs much more where there is no error at all than errors add to it.
    floor = model.likelihood.cost(torch.zeros(1), x[0].numel()).item() if recipe.likelihood == "gaussian" else 0.0

    def objective() -> float:
        with torch.no_grad():
            return forward(model.terms, x, recipe, generator(0, "step", 0)).objective(recipe.beta).mean().item() - floor

    model.train()
    objective()  # a likelihood that calibrates itself starts where the data put it
    before = objective()
    for step in range(8):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step, total=100)
        optimizer.zero_grad()
        forward(model.terms, x, recipe, generator(0, "step", step)).objective(recipe.beta).mean().backward()
        optimizer.step()
    assert objective() < 0.995 * before
