"""The numbers that a training reports: averages, their published scale, expectations and warnings."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from armoire.model import Autoencoder, to_unit
from armoire.training.averages import Averages, average_over, published_scale
from armoire.training.batches import Batches
from armoire.training.history import expectations, jump
from armoire.training.randomness import generator, normal_like
from armoire.training.recipe import Recipe, load_recipe
from armoire.training.schedule import Length
from armoire.training.step import corrupt

RECIPE = load_recipe("images-vae")


@pytest.mark.parametrize("name", ["fashion-vae", "fashion-dae", "images-vae"])
def test_held_out_averages_are_the_mean_objective_and_change_nothing(name, tiny, discs, monkeypatch):
    monkeypatch.setattr("armoire.training.averages.EVALUATION_BATCH", 4)
    recipe, images = tiny(name, size=16), discs().split("test")
    model = Autoencoder(recipe.architecture(images), generator(0, "weights")).train()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    batches = Batches(images.images, torch.device("cpu"))
    averages = average_over(model, batches, recipe)
    assert averages == average_over(model, batches, recipe)
    assert model.training and all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    model.eval()
    distortion, rate = [], []
    with torch.no_grad():
        for k, x in enumerate(to_unit(torch.from_numpy(images.images.copy())).split(4)):
            draws = generator(recipe.seed, "held out", k)
            q = model.encode(corrupt(x, recipe.noise, normal_like(x, draws)) if recipe.noise else x)
            distortion.append(model.likelihood.distortion(model.decoder(q.sample(normal_like(q.mean, draws))), x))
            rate.append(q.rate())
    d, r = (torch.cat(found).double().mean().item() for found in (distortion, rate))
    assert averages.distortion == pytest.approx(d, rel=1e-6)
    assert averages.rate == pytest.approx(r, rel=1e-5, abs=1e-9)
    assert averages.objective == pytest.approx(d + recipe.beta * r, rel=1e-6)


def test_published_scale_of_known_averages():
    averages = Averages(distortion=256.0, rate=5.0, objective=266.24, error=0.25)

    def scale(likelihood: str, weight: float, error: str) -> dict[str, float]:
        recipe = Recipe(name="r", likelihood=likelihood, published_weight=weight, published_error=error)
        return asdict(published_scale(recipe, averages))

    found = scale("bernoulli", 500, "bce")
    assert found == {"reconstruction_loss": 125.0, "kl_loss": 5.0, "total_loss": 130.0}
    # (500 / 1024) * [distortion + 2.048 * rate], with distortion = 1024 * error
    assert found["total_loss"] == pytest.approx(500 / 1024 * (256.0 + 2.048 * 5.0))
    assert scale("calibrated", 1, "rmse")["reconstruction_loss"] == 0.5
    assert scale("gaussian", 2000, "mse")["total_loss"] == 505.0


@pytest.mark.parametrize(
    "changes",
    [{}, {"published_weight": 1.0}, {"published_error": "bce"}, {"published_weight": 1.0, "published_error": "mse"}],
)
def test_no_published_scale_without_a_counterpart(changes):
    assert published_scale(Recipe(name="r", **changes), Averages(1.0, 1.0, 1.0, 1.0)) is None


@pytest.mark.parametrize(
    ("images", "steps", "words", "is_short"),
    [
        (54, 40, "few for a map", True),
        (360, 240, "enough images for a map and neighbours", True),
        (3407, 2140, "a map, neighbours and new images", False),
        (60_000, 37_500, "a map, neighbours and new images", False),
    ],
)
def test_what_images_and_steps_can_give(images, steps, words, is_short):
    first, *warnings = expectations(images, 0, Length(RECIPE.change(steps=steps), 1, 0))
    assert words in first
    assert first.startswith(f"{images:,} training images, {steps:,} steps")
    assert ["--steps 2000" in line for line in warnings] == [True] * is_short


def row(rate: float, objective: float = -5000.0, held_out: float | None = None) -> dict[str, float]:
    rates = {"train_rate_nats": rate, "test_rate_nats": rate if held_out is None else held_out}
    return rates | {"train_objective_nats": objective, "test_objective_nats": objective}


@pytest.mark.parametrize(
    ("now", "past", "warned"),
    [
        (row(150), [row(449), row(105), row(113)], ""),
        (row(603_312), [row(150)] * 7, "train rate is 603,312 nats, before it was 150"),
        (row(150, held_out=603_312), [row(150)] * 7, "test rate is 603,312"),
        (row(70_000), [row(150)] * 4 + [row(603_312)], "train rate is 70,000"),  # still far off, an epoch later
        (row(400), [], ""),
        (row(1e6), [], "train rate is 1,000,000"),
        (row(30), [row(0.01)], ""),  # a posterior that no longer collapses
        (row(150, objective=9000), [row(150)] * 3, "train objective is 9,000 nats, before it was -5,000"),
        (row(150, objective=-4000), [row(150)] * 3, ""),
    ],
)
def test_a_jump_is_warned_of(now, past, warned):
    found = jump(RECIPE, now, past, "test", values=64 * 64 * 3)
    assert warned in found
    assert bool(found) == bool(warned)
    assert not found or "--lr" in found


def both(train: float, test: float) -> dict[str, float]:
    return row(5) | {"train_objective_nats": train, "test_objective_nats": test}


def test_over_fitting_is_reported_once_and_is_no_instability():
    """The training objective falls throughout; the held-out one is 1 nat per value above its best from row 3 on."""
    history = [both(100, 100), both(50, 60), both(0, 1000), both(-50, 90), both(-90, 2000)]
    found = [jump(RECIPE, now, history[:k], "test", values=100) for k, now in enumerate(history)]
    assert [bool(line) for line in found] == [False, False, True, False, False]
    assert "over-fits" in found[2]
    assert "best for the validation images" in found[2]
    assert "--lr" not in found[2]
    without = RECIPE.change(validation=0.0)
    assert "--set validation=0.1" in jump(without, history[2], history[:2], "test", values=100)


def test_both_objectives_rising_is_no_over_fitting():
    found = jump(RECIPE, both(80, 1000), [both(100, 100), both(50, 60)], "test", values=100)
    assert "unstable" in found
    assert "over-fits" not in found
