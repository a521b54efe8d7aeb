"""The recipes for CelebA are the published ones (S17), and their numbers are in the published scale."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from armoire.model import Autoencoder, to_unit
from armoire.model.kinds import LIKELIHOODS
from armoire.training import load_recipe

PUBLISHED = {"celeba-vae": (64, [64] * 5), "celeba-vae-32": (32, [128] * 4)}
pytestmark = pytest.mark.parametrize("name", PUBLISHED)


@pytest.fixture
def images(name, discs):
    return discs(12, 4, size=PUBLISHED[name][0], channels=3)


def test_the_settings(name):
    recipe, (size, channels) = load_recipe(name), PUBLISHED[name]
    assert (recipe.size, list(recipe.channels), recipe.fit) == (size, channels, "stretch")
    assert (recipe.posterior, recipe.latent, recipe.likelihood, recipe.beta) == ("gaussian", 200, "gaussian", 1)
    assert (recipe.norm, recipe.activation) == ("batch", "leaky_relu")
    assert (recipe.lr, recipe.schedule, recipe.batch, recipe.epochs) == (5e-4, "constant", 128, 5)
    assert (recipe.published_weight, recipe.published_error) == (2000, "mse")


def test_the_distortion_is_two_thousand_times_the_squared_error(name):
    recipe, (size, _) = load_recipe(name), PUBLISHED[name]
    values = 3 * size * size
    assert recipe.sigma == pytest.approx(math.sqrt(values / (2 * 2000)))
    cost = LIKELIHOODS.get("gaussian").build(recipe.sigma).cost(torch.tensor([0.0, 0.03, 0.1]), values)
    assert (cost - cost[0]).tolist() == pytest.approx([0, 60, 200], rel=1e-4, abs=0.05)


def test_the_network(name, images):
    size, channels = PUBLISHED[name]
    model = Autoencoder(load_recipe(name).architecture(images))
    encoder, decoder = (
        [type(m).__name__ for m in net.modules() if not list(m.children())] for net in (model.encoder, model.decoder)
    )
    stage = ["BatchNorm2d", "LeakyReLU"]
    assert encoder[: 3 * len(channels)] == ["HalvingConv", *stage] * len(channels)
    assert decoder == [
        "Linear", "BatchNorm1d", "LeakyReLU", "Unflatten", *["DoublingConv", *stage] * len(channels), "SameConv",
    ]  # fmt: skip
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert {m.kernel_size for m in convolutions} == {(3, 3)}
    assert [m.stride for m in convolutions] == [(2, 2)] * 2 * len(channels) + [(1, 1)]
    features = channels[-1] * (size >> len(channels)) ** 2
    assert model.decoder[0].weight.shape == (features, 200)


def test_in_evaluation_latents_do_not_depend_on_the_batch(name, images):
    model = Autoencoder(load_recipe(name).architecture(images), torch.Generator().manual_seed(0)).train()
    x = to_unit(torch.from_numpy(np.array(images.images)))
    with torch.no_grad():
        model.encode(x)  # statistics to normalise by
        model.eval()
        together = model.encode(x).mean
        apart = torch.cat([model.encode(x[i : i + 1]).mean for i in range(len(x))])
        assert torch.allclose(together, apart, atol=1e-5)
        assert torch.allclose(model.decode(together), torch.cat([model.decode(z[None]) for z in apart]), atol=1e-5)
