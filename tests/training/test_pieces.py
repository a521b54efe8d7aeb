"""Schedule, random draws, noise, averages."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from armoire.model import Autoencoder, to_unit
from armoire.training.averages import Averages, RunningMeans, average_over, published_scale
from armoire.training.batches import Batches
from armoire.training.checkpointing import lock_folder
from armoire.training.randomness import generator, normal_like, permutation
from armoire.training.recipe import Recipe
from armoire.training.schedule import beta_at, learning_rate
from armoire.training.step import corrupt, forward

CPU = torch.device("cpu")


def test_one_cycle_starts_low_peaks_and_ends_near_nothing():
    recipe = Recipe(name="r", lr=0.01, schedule="one-cycle", warmup=0.1)
    rates = [learning_rate(recipe, step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01 / 101)
    assert rates[49] == pytest.approx(0.01 * 50 / 101)
    assert rates[100] == max(rates) == 0.01
    assert rates[550] == pytest.approx(0.005)
    assert 0 < rates[-1] < 1e-7
    assert all(b > a for a, b in pairwise(rates[:101]))
    assert all(b < a for a, b in pairwise(rates[100:]))


def test_constant_is_constant():
    recipe = Recipe(name="r", lr=0.003, schedule="constant")
    assert {learning_rate(recipe, step, 50) for step in range(50)} == {0.003}


@given(total=st.integers(1, 5000), warmup=st.floats(0, 1), place=st.floats(0, 1, exclude_max=True))
def test_a_learning_rate_is_positive_and_never_above_the_largest(total, warmup, place):
    recipe = Recipe(name="r", lr=0.01, warmup=warmup)
    rate = learning_rate(recipe, int(place * total), total)
    assert 0 < rate <= 0.01


def test_beta_warms_up_in_each_cycle():
    def betas(**changes):
        return [beta_at(Recipe(name="r", beta=4.0, **changes), step, 12) for step in range(12)]

    assert betas() == betas(beta_cycles=3) == [4.0] * 12
    assert betas(beta_warmup=0.5) == pytest.approx([0, 2 / 3, 4 / 3, 2, 8 / 3, 10 / 3] + [4] * 6)
    assert betas(beta_warmup=0.5, beta_cycles=3) == [0.0, 2.0, 4.0, 4.0] * 3
    assert betas(beta_warmup=1, beta_cycles=2)[:6] == pytest.approx([4 * step / 6 for step in range(6)])


@given(seed=st.integers(0, 2**40), epoch=st.integers(0, 100), n=st.integers(1, 200))
def test_an_order_is_a_permutation_and_repeats(seed, epoch, n):
    first = permutation(seed, epoch, n)
    assert first.dtype == torch.int64
    assert sorted(first.tolist()) == list(range(n))
    assert torch.equal(first, permutation(seed, epoch, n))


def test_orders_differ_by_epoch_and_by_seed():
    orders = [tuple(permutation(seed, epoch, 100).tolist()) for seed in range(5) for epoch in range(5)]
    assert len(set(orders)) == 25


def test_an_order_puts_every_image_everywhere():
    first = torch.stack([permutation(0, epoch, 10) for epoch in range(2000)])[:, 0]
    counts = torch.bincount(first, minlength=10)
    assert ((counts - 200).abs() < 5 * math.sqrt(180)).all()


def test_draws_differ_by_seed_purpose_and_step_and_repeat():
    keys = [(s, p, k) for s in (0, 1, 2**33) for p in ("weights", "step", "held out", "order") for k in (0, 1, 1000)]
    draws = {key: torch.randn(4, generator=generator(*key)) for key in keys}
    assert len({tuple(d.tolist()) for d in draws.values()}) == len(keys)
    assert all(torch.equal(d, torch.randn(4, generator=generator(*key))) for key, d in draws.items())


def test_draws_ask_nothing_of_the_global_generator():
    torch.manual_seed(0)
    first = torch.randn(3, generator=generator(0, "step", 1))
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    assert torch.equal(first, torch.randn(3, generator=generator(0, "step", 1)))


def test_noise_has_the_statistics_asked_for_and_stays_in_range():
    x = torch.full((10, 1, 100, 100), 0.5)
    seen = corrupt(x, 0.1, torch.randn(x.shape, generator=torch.Generator().manual_seed(0)))
    assert seen.mean().item() == pytest.approx(0.5, abs=0.002)
    assert seen.std().item() == pytest.approx(0.1, rel=0.02)
    assert torch.equal(x, torch.full_like(x, 0.5))
    loud = corrupt(x, 1.0, torch.randn(x.shape, generator=torch.Generator().manual_seed(0)))
    assert loud.min().item() == 0.0
    assert loud.max().item() == 1.0
    # P(0.5 + eps < 0) = Phi(-0.5)
    assert (loud == 0).float().mean().item() == pytest.approx(0.3085, abs=0.006)


def test_a_feed_serves_the_bytes_it_was_given(pictures):
    images = pictures(7, channels=3)
    feed = Batches(images, CPU)
    chosen = torch.tensor([5, 0, 3])
    assert torch.equal(feed.batch(chosen), to_unit(torch.from_numpy(images[[5, 0, 3]])))
    parts = list(feed.in_turn(3))
    assert [len(part) for part in parts] == [3, 3, 1]
    assert torch.equal(torch.cat(parts), to_unit(torch.from_numpy(images)))


def test_a_feed_too_large_for_memory_serves_the_same(pictures, monkeypatch, tmp_path):
    images = pictures(7)
    np.save(tmp_path / "images.npy", images)
    resident = Batches(images, CPU)
    monkeypatch.setattr("armoire.training.batches.RESIDENT", 10)
    mapped = Batches(np.load(tmp_path / "images.npy", mmap_mode="r"), CPU)
    assert mapped._resident is None
    for one, two in zip(resident.in_turn(3), mapped.in_turn(3), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("name", ["fashion-vae", "fashion-dae", "fashion-ae-rmse"])
def test_held_out_averages_are_the_objective_of_training_by_hand(name, tiny, discs, monkeypatch):
    monkeypatch.setattr("armoire.training.averages.EVALUATION_BATCH", 4)
    recipe, images = tiny(name), discs().split("test")
    model = Autoencoder(recipe.architecture(images), generator(0, "weights")).train()
    averages = average_over(model, Batches(images.images, CPU), recipe)
    assert model.training
    model.eval()
    x = to_unit(torch.from_numpy(images.images.copy()))
    distortion, rate = [], []
    with torch.no_grad():
        for k, part in enumerate(x.split(4)):
            draws = generator(recipe.seed, "held out", k)
            seen = corrupt(part, recipe.noise, normal_like(part, draws)) if recipe.noise else part
            q = model.encode(seen)
            distortion.append(model.likelihood.distortion(model.decoder(q.sample(normal_like(q.mean, draws))), part))
            rate.append(q.rate())
    d, r = torch.cat(distortion).double().mean().item(), torch.cat(rate).double().mean().item()
    assert averages.distortion == pytest.approx(d, rel=1e-6)
    assert averages.rate == pytest.approx(r, rel=1e-5, abs=1e-9)
    assert averages.objective == pytest.approx(d + recipe.beta * r, rel=1e-6)


def test_measuring_changes_no_state_of_the_model(tiny, discs):
    recipe, images = tiny("images-vae", size=16), discs()
    model = Autoencoder(recipe.architecture(images), generator(0, "weights")).train()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    first = average_over(model, Batches(images.images, CPU), recipe)
    assert first == average_over(model, Batches(images.images, CPU), recipe)
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


def test_sums_weigh_images_not_batches(tiny, discs):
    recipe, images = tiny(), discs()
    model = Autoencoder(recipe.architecture(images), generator(0, "weights")).eval()
    x, sums = to_unit(torch.from_numpy(images.images.copy())), RunningMeans(CPU)
    parts = [forward(model.terms, part, recipe, generator(0, "step", k)) for k, part in enumerate(x.split([33, 10, 7]))]
    for part in parts:
        sums.add(part)
    averages = sums.averages(3.0)
    distortion = torch.cat([p.distortion for p in parts]).double().mean().item()
    rate = torch.cat([p.rate for p in parts]).double().mean().item()
    assert averages.distortion == pytest.approx(distortion, rel=1e-6)
    assert averages.objective == pytest.approx(distortion + 3.0 * rate, rel=1e-6)


def test_published_scale_of_known_averages():
    averages = Averages(distortion=256.0, rate=5.0, objective=266.24, error=0.25)
    book = Recipe(name="r", published_weight=500, published_error="bce")
    assert published_scale(book, averages).to_dict() == {
        "reconstruction_loss": 125.0,
        "kl_loss": 5.0,
        "total_loss": 130.0,
    }
    # the translation of SPEC.md: (500/1024) * [distortion + 2.048 * rate], with distortion = 1024 * error
    translated = 500 / 1024 * (256.0 + 2.048 * 5.0)
    assert published_scale(book, averages).total_loss == pytest.approx(translated)
    rmse = Recipe(name="r", likelihood="calibrated", published_weight=1, published_error="rmse")
    assert published_scale(rmse, averages).reconstruction_loss == 0.5
    mse = Recipe(name="r", likelihood="gaussian", published_weight=2000, published_error="mse")
    assert published_scale(mse, averages).total_loss == 505.0


@pytest.mark.parametrize(
    "changes",
    [{}, {"published_weight": 1.0}, {"published_error": "bce"}, {"published_weight": 1.0, "published_error": "mse"}],
)
def test_no_published_scale_without_a_counterpart(changes):
    assert published_scale(Recipe(name="r", **changes), Averages(1.0, 1.0, 1.0, 1.0)) is None


@pytest.mark.parametrize("name", ["", "checkpoints", "previews", "priors", "directions", "neighbours"])
def test_what_killed_processes_had_begun_goes_before_a_training(tmp_path, name):
    folder = tmp_path / "run" / name
    folder.mkdir(parents=True)
    begun, done = folder / ".gmm.99404681.part.safetensors", folder / "gmm.safetensors"
    begun.touch()
    done.touch()
    with lock_folder(tmp_path / "run"):
        assert done.exists()
        assert not begun.exists()
