"""start = "components": a training begins where principal components end."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from armoire.errors import TrainingInterruptedError
from armoire.images import from_array
from armoire.model import Autoencoder, to_unit
from armoire.training import fit_epochs, load_recipe
from armoire.training.distributed import ALONE
from armoire.training.initial import start_from_components
from armoire.training.parts import Parts


def photos(n: int, side: int = 16, channels: int = 3, seed: int = 0) -> np.ndarray:
    """n smooth images: mixtures of a dozen patterns, away from black and white."""
    random = np.random.default_rng(seed)
    ramps = np.stack([np.sin((i + 1) * np.linspace(0, 3, side) + i) for i in range(4)])
    patterns = np.einsum("iy,jx,kc->ijkyxc", ramps, ramps, np.eye(channels)).reshape(-1, side, side, channels)
    weights = random.standard_normal((n, len(patterns))) / np.arange(1, len(patterns) + 1)
    return (128 + 25 * np.einsum("nk,kyxc->nyxc", weights, patterns)).clip(20, 235).round().astype(np.uint8)


def begun(images, latent: int, **changes) -> tuple[Autoencoder, Parts]:
    recipe = load_recipe("images-vae").change(size=images.shape[0], latent=latent, **changes)
    parts = Parts.of(recipe, images, torch.device("cpu"))
    model = Autoencoder(recipe.architecture(images), torch.Generator().manual_seed(0)).eval()
    start_from_components(model, parts, recipe, ALONE)
    return model, parts


@pytest.mark.parametrize("posterior", ["gaussian", "point"])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_begins_where_principal_components_end(posterior, channels):
    images, d = from_array(photos(120, channels=channels)), 6
    model, parts = begun(images, d, posterior=posterior)
    seen, unseen = (to_unit(torch.from_numpy(images.images[k])) for k in (parts.rows, images.split_of == "test"))
    pca = PCA(d).fit(seen.flatten(1).numpy())
    best = torch.from_numpy(pca.inverse_transform(pca.transform(unseen.flatten(1).numpy()))).reshape(unseen.shape)
    with torch.no_grad():
        error, least, most = ((x - unseen).square().mean().item() for x in (model(unseen), best, unseen.mean(0)))
    # The posterior mean is nearer to 0 than the projection.
    assert least * 0.99 < error < least + 0.1 * (most - least)


def test_the_latents_are_as_the_prior_expects_them():
    model, parts = begun(from_array(photos(400)), 4)
    with torch.no_grad():
        posterior = model.encode(parts.train.batch(parts.rows))
    spread = posterior.mean.var(dim=0) + posterior.log_var.exp().mean(dim=0)
    assert torch.allclose(spread, torch.ones(4), atol=0.1)
    assert posterior.mean.mean(dim=0).abs().max() < 0.1


def test_fewer_images_than_dimensions_and_large_images():
    """What principal components do not determine stays as drawn, and a map of 64 x 64 serves an image of 128 x 128."""
    model, parts = begun(from_array(photos(12, side=128)), 32)
    x = parts.train.batch(parts.rows)
    with torch.no_grad():
        assert (model(x) - x).square().mean() < x.var() / 10
        assert all(torch.isfinite(p).all() for p in model.parameters())


def test_training_goes_on_from_there_and_is_resumed(tmp_path, stops_at):
    images, recipe = from_array(photos(60)), load_recipe("images-vae").change(size=16, latent=8, steps=12, batch=8)
    whole = fit_epochs(recipe, images, tmp_path / "whole", device="cpu")
    first = whole.history[0]["train_distortion_nats"]
    random = fit_epochs(recipe.change(start="random"), images, tmp_path / "random", device="cpu")
    assert first < random.history[0]["train_distortion_nats"]
    with pytest.raises(TrainingInterruptedError):
        fit_epochs(recipe, images, tmp_path / "two", device="cpu", progress=stops_at(5))
    resumed = fit_epochs(recipe, images, tmp_path / "two", resume=True, device="cpu")
    assert [row["train_objective_nats"] for row in resumed.history] == [
        row["train_objective_nats"] for row in whole.history
    ]


def test_blocks_without_linear_maps_keep_the_weights_that_were_drawn():
    model, _ = begun(from_array(photos(30)), 4, blocks="plain")
    drawn = Autoencoder(model.architecture, torch.Generator().manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), drawn.parameters(), strict=True))
