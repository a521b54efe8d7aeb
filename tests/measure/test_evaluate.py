from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from armoire import evaluate
from armoire.errors import ArmoireError
from armoire.measure import MEASURES, Evaluation, Measure
from armoire.measure.reconstruction import reconstruction_error
from armoire.model import Architecture, Autoencoder
from armoire.model.posterior import Point
from armoire.training.averages import average_over
from armoire.training.batches import Batches


def oracle(answer) -> Autoencoder:
    """An Autoencoder whose decoder returns `answer(x)`, which its codes carry."""
    model = Autoencoder(Architecture(16, 1, 2, "point", channels=(4, 8)))
    model.encode = lambda x: Point(answer(x).flatten(1))
    model.decoder = nn.Unflatten(1, (1, 16, 16))
    return model


@pytest.fixture
def errors(discs):
    images = discs(n=20, test=12).split("test")
    return lambda answer: (reconstruction_error(oracle(answer), images), images)


def test_a_perfect_reconstruction(errors):
    found, images = errors(lambda x: torch.logit(x, 1e-7))
    x = images.images / 255
    inner = x[(x > 0) & (x < 1)]
    entropy = -(inner * np.log(inner) + (1 - inner) * np.log(1 - inner)).sum() / x.size
    assert found["mse"] < 1e-12
    assert found["psnr_db"] > 119
    assert found["ssim"] == pytest.approx(1.0, abs=1e-5)
    assert found["explained"] == pytest.approx(1.0, abs=1e-6)
    assert found["bce"] == pytest.approx(entropy, rel=1e-4)


def test_a_constant_reconstruction(errors):
    found, images = errors(lambda x: torch.full_like(x, math.log(0.25 / 0.75)))
    x = images.images / 255
    mse = ((x - 0.25) ** 2).mean()
    assert found["mse"] == pytest.approx(mse, rel=1e-5)
    assert found["psnr_db"] == pytest.approx(10 * math.log10(1 / mse), rel=1e-6)
    assert found["bce"] == pytest.approx(-(x * math.log(0.25) + (1 - x) * math.log(0.75)).mean(), rel=1e-5)
    assert found["ssim"] < 0.5
    assert found["explained"] == pytest.approx(1 - mse / x.var(axis=0).mean(), rel=1e-5)


def test_structural_similarity_by_hand(discs):
    """Wang et al. 2004, eq. 13, for two constant pictures: only the luminance term is left."""
    images = discs(n=20, test=12).split("test")
    flat = replace(images, images=np.full_like(images.images, 102))
    found = reconstruction_error(oracle(lambda x: torch.full_like(x, math.log(0.25 / 0.75))), flat)
    a, b, c = 0.4, 0.25, 0.01**2
    assert found["ssim"] == pytest.approx((2 * a * b + c) / (a * a + b * b + c), rel=1e-3)


def test_errors_do_not_depend_on_the_batch(ae_run, monkeypatch):
    part = ae_run.images.split("test")
    whole = reconstruction_error(ae_run.model, part)
    monkeypatch.setattr("armoire.measure.reconstruction.EVALUATION_BATCH", 3)
    assert reconstruction_error(ae_run.model, part) == pytest.approx(whole, rel=1e-5)


def test_an_evaluation_has_the_documented_keys(vae_run):
    found = evaluate(vae_run)
    assert {"name", "split", "n"} <= set(found.data)
    assert set(found.reconstruction) == {"bce", "mse", "psnr_db", "ssim", "explained"}
    assert set(found.elbo) == {"distortion_nats", "rate_nats", "objective_nats"}
    assert set(found.published_scale) == {"reconstruction_loss", "kl_loss", "total_loss"}
    assert {"dimensions", "active_units", "ks_max", "ks_mean"} <= set(found.latent)
    assert found.data["name"] == "discs"
    assert (found.data["split"], found.data["n"]) == ("test", 10)
    assert Evaluation.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == found


@pytest.mark.parametrize("kind", ["vae_run", "ae_run"])
def test_the_numbers_agree_with_each_other(kind, request):
    wardrobe = request.getfixturevalue(kind)
    found = evaluate(wardrobe)
    r, e, b = found.reconstruction, found.elbo, found.published_scale
    recipe = wardrobe.recipe
    assert r["psnr_db"] == pytest.approx(-10 * math.log10(r["mse"]))
    assert e["objective_nats"] == pytest.approx(e["distortion_nats"] + recipe.beta * e["rate_nats"])
    assert b["reconstruction_loss"] == pytest.approx(recipe.published_weight * e["distortion_nats"] / 256, rel=1e-6)
    assert b["kl_loss"] == e["rate_nats"]
    assert b["total_loss"] == pytest.approx(b["reconstruction_loss"] + b["kl_loss"])
    if kind == "ae_run":
        assert e["rate_nats"] == 0
        # A point is its own sample: both ways of reconstructing are one.
        assert e["distortion_nats"] == pytest.approx(256 * r["bce"], rel=1e-5)


def test_it_measures_what_the_history_says(vae_run, ae_run):
    for wardrobe in (vae_run, ae_run):
        found, last = evaluate(wardrobe), wardrobe.run.history[-1]
        for name in ("distortion", "rate", "objective"):
            assert found.elbo[f"{name}_nats"] == pytest.approx(last[f"test_{name}_nats"], rel=1e-5)
        for name, value in found.published_scale.items():
            assert value == pytest.approx(last[f"test_published_{name}"], rel=1e-5)


def test_each_split_can_be_measured(vae_run):
    found = evaluate(vae_run, split="train")
    assert (found.data["split"], found.data["n"]) == ("train", 40)
    averages = average_over(
        vae_run.model, Batches(vae_run.images.split("train").images, torch.device("cpu")), vae_run.recipe
    )
    assert found.elbo["distortion_nats"] == averages.distortion
    with pytest.raises(ArmoireError, match="no split 'tset' in discs; did you mean 'test'"):
        evaluate(vae_run, split="tset")


def approximately(value):
    """The same, numbers up to rounding."""
    if isinstance(value, dict):
        return {name: approximately(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [approximately(inner) for inner in value]
    return pytest.approx(value, rel=1e-5, abs=1e-7) if isinstance(value, float) else value


def test_training_images_do_not_change_an_evaluation(vae_run):
    images = vae_run.images
    poisoned = images.images.copy()
    poisoned[:40] = 255
    one, two = evaluate(vae_run), evaluate(vae_run, replace(images, images=poisoned))
    assert one.verdict and two.verdict is None  # which is on the run, and depends on both
    one, two = (replace(found, verdict=None, uses=None) for found in (one, two))
    for found in (one, two):
        found.data.pop("fingerprint", None)
    # The cached latents were encoded together with the training images, which may change the rounding of sums.
    assert approximately(one.to_dict()) == two.to_dict()
    poisoned[40:] = 255
    three = evaluate(vae_run, replace(images, images=poisoned))
    assert three.elbo != one.elbo
    assert three.latent != one.latent


def test_other_data_is_named_as_such(vae_run, discs):
    found = evaluate(vae_run, discs(seed=5, name="others"))
    assert found.data["name"] == "others"
    assert found.data["as_trained_on"] is False
    assert evaluate(vae_run).data["as_trained_on"] is True


def test_data_of_another_shape_are_refused(vae_run, discs):
    with pytest.raises(ArmoireError, match=r"holds images of \(32, 32, 1\), the model wants \(16, 16, 1\)"):
        evaluate(vae_run, discs(size=32))


def test_the_published_scale_is_null_without_a_counterpart(tmp_path, tiny, discs):
    from armoire import train

    wardrobe = train(tiny("images-vae", size=16, latent=3, epochs=1), discs(), tmp_path / "run", device="cpu")
    found = evaluate(wardrobe)
    assert found.published_scale is None
    assert found.latent["dimensions"] == 3
    assert "areas" not in found.latent


def test_a_registered_measure_is_part_of_every_evaluation_it_applies_to(vae_run, monkeypatch):
    monkeypatch.setattr(MEASURES, "_registered", {})
    brightness = Measure(
        lambda context: {"mean": float(context.part.images.mean() / 255)}, lambda context: context.split == "test"
    )
    MEASURES.register("brightness", brightness)
    found = evaluate(vae_run)
    assert found.others["brightness"]["mean"] == pytest.approx(vae_run.images.split("test").images.mean() / 255)
    assert found.to_dict()["brightness"] == found.others["brightness"]
    assert evaluate(vae_run, split="train").others == {"brightness": None}
    assert evaluate(vae_run, skip=["brightness", "latent"]).latent is None
    with pytest.raises(ArmoireError, match="'elbo' is built in"):
        MEASURES.register("elbo", brightness)
