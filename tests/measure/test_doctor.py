"""Small runs with a problem made on purpose; benchmarks/doctor.py does the same at full size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from armoire import Wardrobe, train
from armoire.errors import ArmoireError
from armoire.images import Fit, ImageSet, SetInfo, from_array
from armoire.images.imageset import fingerprint
from armoire.measure import doctor_rules
from armoire.measure.doctor import dead_units, examine, examine_stopped


@pytest.fixture(scope="module")
def data(discs):
    return discs(n=600, test=150)


@pytest.fixture(autouse=True)
def few_steps_are_enough(monkeypatch):
    """The runs here have few steps, which are enough for discs of 16 pixels."""
    monkeypatch.setattr(doctor_rules, "FEWEST_STEPS", 100)


@pytest.fixture(scope="module")
def healthy(tiny, data, tmp_path_factory):
    recipe = tiny("images-vae", likelihood="calibrated", beta=4, latent=2, epochs=6, batch=20, lr=1e-2)
    return train(recipe, data, tmp_path_factory.mktemp("runs") / "healthy", device="cpu")


def names(wardrobe: Wardrobe, images: ImageSet | None = None) -> list[str]:
    found = examine(wardrobe, images)
    for finding in found.findings:
        assert finding.evidence and finding.cause
        assert "armoire" in finding.fix
    assert found.to_dict()["healthy"] == (not found.findings)
    return [finding.name for finding in found.findings]


def names_with(healthy: Wardrobe, data, path, **settings) -> list[str]:
    return names(train(healthy.recipe.change(**settings), data, path, device="cpu"))


def test_nothing_is_found_in_a_healthy_run(healthy, data):
    assert names(healthy) == []
    assert names(healthy, data) == []


def test_too_much_weight_on_the_rate_is_posterior_collapse(healthy, data, tmp_path):
    assert names_with(healthy, data, tmp_path / "r", beta=3000.0) == ["posterior collapse"]


def test_many_more_dimensions_than_the_data_have(healthy, data, tmp_path):
    assert "unused dimensions" in names_with(healthy, data, tmp_path / "r", latent=128, beta=40.0)


def test_many_dimensions_of_little_rate_each_are_unused_too(healthy):
    """512 dimensions on Fashion-MNIST have 11.3 nats together; CelebA's published 200 have 14.7."""
    thin = {"dimensions": 512, "dimensions_used": 443, "rate_by_dimension_nats": [11.3 / 512] * 512}
    finding = doctor_rules._unused_dimensions(healthy, thin)
    assert finding.name == "unused dimensions"
    assert "512 dimensions have a rate of 11.3 nats together, 0.022 each" in finding.evidence
    assert "--latent 16" in finding.fix
    published = {"dimensions": 200, "dimensions_used": 197, "rate_by_dimension_nats": [14.7 / 200] * 200}
    assert doctor_rules._unused_dimensions(healthy, published) is None


def test_a_dimension_far_wider_than_the_prior_is_runaway(healthy):
    finding = doctor_rules._runaway_dimensions(healthy, {"widest": 40.0})
    assert finding.name == "runaway dimensions"
    assert "a standard deviation of 40.0" in finding.evidence
    assert doctor_rules._runaway_dimensions(healthy, {"widest": 1.2}) is None


def test_a_learning_rate_of_1(tiny, data, tmp_path):
    """Either the training diverges and only that is recorded, or nothing was learned."""
    try:
        wardrobe = train(tiny("fashion-vae", lr=1.0), data, tmp_path / "r", device="cpu")
    except ArmoireError:
        found = examine_stopped(tmp_path / "r")
        assert [finding.name for finding in found.findings] == ["diverged training"]
    else:
        assert names(wardrobe)[0] in ("dead decoder units", "diverged training")
    point = train(tiny("fashion-ae", lr=1.0, schedule="constant"), data, tmp_path / "ae", device="cpu")
    assert names(point)[0] in ("dead decoder units", "diverged training")


def test_a_diverged_training_is_reported_without_a_model(tiny, data, tmp_path):
    recipe = tiny("images-vae", lr=1e9, likelihood="bernoulli")
    with pytest.raises(ArmoireError, match="no longer finite"):
        train(recipe, data, tmp_path / "r", device="cpu")
    (finding,) = examine_stopped(tmp_path / "r").findings
    assert finding.name == "diverged training"
    assert "at step" in finding.evidence
    assert "--lr 0.001" in finding.fix
    train(recipe.change(lr=1e-3), data, tmp_path / "r", resume=True, device="cpu")
    assert examine_stopped(tmp_path / "r") is None


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda pixels: 255 - pixels, "inverted"),
        (lambda pixels: (pixels > 127).astype(np.uint8), "scaled to 0 and 1"),
    ],
)
def test_pixels_of_another_encoding(healthy, data, change, cause):
    other = ImageSet(change(np.asarray(data.images)), data.table, SetInfo("other", "", Fit(16, channels=1), ()))
    found = examine(healthy, other).findings
    assert [finding.name for finding in found] == ["un-normalised input"]
    assert cause in found[0].cause


def test_images_of_something_else(healthy):
    random = np.random.default_rng(0)
    noise = from_array(random.integers(0, 256, (60, 16, 16, 1), np.uint8))
    assert names(healthy, noise) == ["unfamiliar images"]


@pytest.mark.slow
def test_over_fitting(healthy, discs, tmp_path):
    few = discs(n=12, test=100)
    # Each image 33 times: an epoch of one step would take longer to store than to train.
    rows = np.concatenate([np.tile(np.arange(12), 33), np.arange(12, 112)])
    info = replace(few.info, fingerprint=fingerprint(few.images[rows], few.table.take(rows)))
    few = replace(few, images=few.images[rows], table=few.table.take(rows), info=info)
    found = names_with(healthy, few, tmp_path / "r", epochs=12, latent=8, beta=0.01, batch=4)
    assert "over-fitting" in found


def test_a_box_has_holes(healthy, data, tmp_path):
    wardrobe = train(healthy.recipe.change(posterior="point", latent=8), data, tmp_path / "r", device="cpu")
    assert "prior holes" in names(wardrobe)
    wardrobe.fit_prior("gmm")
    assert "prior holes" not in names(wardrobe)


def advice(wardrobe: Wardrobe) -> str:
    return " ".join(finding.fix for finding in examine(wardrobe).findings)


def test_a_prior_that_was_fitted_is_not_recommended_again(healthy, data, tmp_path, monkeypatch):
    wardrobe = train(
        healthy.recipe.change(beta=1e-8, epochs=20, start="random", average=0.0), data, tmp_path / "r", device="cpu"
    )
    with monkeypatch.context() as strict:
        strict.setattr(doctor_rules, "IN_HOLES", 0.0)  # the share of draws in holes differs by processor
        assert {"too little regularisation", "prior holes"} <= (found := set(names(wardrobe)))
        assert "posterior collapse" not in found
        assert f"armoire prior {wardrobe.run.path} --kind flow" in advice(wardrobe)
    wardrobe.fit_prior("gmm")
    assert not {"too little regularisation", "prior holes"} & set(names(wardrobe))
    # A fitted prior whose samples are in holes too.
    monkeypatch.setattr(doctor_rules, "IN_HOLES", 0.0)
    assert {"too little regularisation", "prior holes"} <= set(names(wardrobe))
    assert "armoire prior" not in advice(wardrobe)
    assert "600 training images are too few" in " ".join(finding.cause for finding in examine(wardrobe).findings)
    assert "--temperature 0.7" in advice(wardrobe)
    wardrobe.fit_prior("neighbours")
    found = {finding.name: finding for finding in examine(wardrobe).findings}
    assert "averages of" in found["prior holes"].evidence
    assert "--prior gmm" in found["prior holes"].fix
    assert "--temperature" not in advice(wardrobe)


def test_few_steps_are_blamed_before_the_settings(healthy, discs, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor_rules, "FEWEST_STEPS", 1000)
    wardrobe = train(
        healthy.recipe.change(
            latent=32,
            batch=32,
            epochs=4,
            lr=1e-4,
            clip=1.0,
            prior="gmm",
            beta=1.0,
            start="random",
            average=0.0,
        ),
        discs(60, test=20),
        tmp_path / "r",
        device="cpu",
    )
    finding = examine(wardrobe).findings[0]
    assert finding.name == "too little training"
    assert "8 steps on 60 images" in finding.evidence
    assert "--steps 2000" in finding.fix
    assert "beta" not in " ".join([finding.cause, advice(wardrobe)])
    assert "armoire prior" not in advice(wardrobe)


def test_a_heavy_rate_is_blamed_before_few_steps(discs, tiny, tmp_path):
    wardrobe = train(tiny(beta=2000.0), discs(40), tmp_path / "r", device="cpu")
    numbers = dict(examine(wardrobe).numbers, steps=10, dimensions_used=0, explained=-0.03)
    found = doctor_rules.findings(wardrobe, numbers)
    assert found[0].name == "posterior collapse" and "beta 2000" in found[0].cause


def test_few_steps_alone_are_no_problem(healthy, monkeypatch):
    monkeypatch.setattr(doctor_rules, "FEWEST_STEPS", 100_000)
    assert names(healthy) == []


def test_dead_units_are_counted():
    """Four units behind a ReLU, of which one can never fire."""
    z = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    decoder = nn.Sequential(nn.Linear(2, 4), nn.ReLU(inplace=True))
    with torch.no_grad():
        decoder[0].weight.copy_(torch.tensor([[1.0, 0], [0, 1], [0, 0], [1, 1]]))
        decoder[0].bias.copy_(torch.tensor([0.0, 0, -1, 0]))
    assert dead_units(decoder, z) == pytest.approx(0.25)
    assert not decoder[1]._forward_hooks
    assert dead_units(nn.Sequential(nn.Linear(2, 4), nn.SiLU()), z) is None
