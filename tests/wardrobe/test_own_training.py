"""A model from your own training loop becomes a run on which everything works."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

import armoire
from armoire import Wardrobe
from armoire.cli import main
from armoire.errors import ArmoireError
from armoire.figures import save
from armoire.model import Autoencoder, to_unit
from armoire.training import Run


@pytest.fixture(scope="module")
def trained(tiny, discs):
    """A plain loop of PyTorch, another latent dimension than the recipe's."""
    images = discs(n=60, test=20)
    recipe = tiny("images-vae", latent=3)
    model = Autoencoder(recipe.architecture(images))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    x = to_unit(torch.from_numpy(np.array(images.split("train").images)))
    for _ in range(20):
        noise = torch.randn(len(x), 3)
        optimizer.zero_grad()
        terms = model.terms(x, noise)
        (terms.distortion + terms.rate).mean().backward()
        optimizer.step()
    return model, images, tiny("images-vae", latent=2)


def test_a_model_becomes_a_run(trained, tmp_path, capsys):
    model, images, recipe = trained
    wardrobe = Wardrobe.from_model(model, images, recipe, steps=20)
    temporary = wardrobe.run.path
    assert all(path.is_file() for path in save(wardrobe, ["reconstructions", "samples"]))
    saved = wardrobe.save(tmp_path / "run")
    assert wardrobe.sample(4).shape == (4, 3)
    del wardrobe
    gc.collect()
    assert not temporary.exists()
    assert saved.run.recipe.dimensions == 3
    assert saved.run.steps == 20
    opened = Wardrobe.open(tmp_path / "run", images, device="cpu")
    np.testing.assert_allclose(opened.encode(images.images), saved.encode(images.images), rtol=1e-5, atol=1e-6)
    assert armoire.evaluate(opened).to_dict()["data"]["n"] == 20
    assert opened.run.history[-1]["train_distortion_nats"] > 0
    assert isinstance(Run.open(tmp_path / "run"), Run)
    main(["sample", str(tmp_path / "run"), "-n", "2", "--out", str(tmp_path / "s.npy")])
    assert len(np.load(tmp_path / "s.npy")) == 2


def test_nothing_is_overwritten(trained, tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(ArmoireError, match="not an empty folder"):
        Wardrobe.from_model(*trained).save(tmp_path)
