from __future__ import annotations

import numpy as np
import pytest

from armoire.images.imageset import make_table
from armoire.measure.latent_statistics import aggregate_statistics, correlation, holes, mismatch, rate_by_dimension
from armoire.priors import StandardNormal
from armoire.wardrobe import Latents


def latents(mean: np.ndarray, spread: float | None) -> Latents:
    n = len(mean)
    table = make_table([str(i) for i in range(n)], ["train"] * n, [0] * n)
    log_var = None if spread is None else np.full(mean.shape, 2 * np.log(spread), np.float32)
    return Latents(table, mean.astype(np.float32), log_var)


def test_the_rate_of_an_unused_dimension_is_0():
    random = np.random.default_rng(0)
    mean = np.stack([random.normal(size=500), np.zeros(500)], axis=1)
    log_var = np.stack([np.full(500, -2.0), np.zeros(500)], axis=1).astype(np.float32)
    found = rate_by_dimension(Latents(latents(mean, None).table, mean.astype(np.float32), log_var))
    assert found[1] == pytest.approx(0, abs=1e-9)
    assert found[0] == pytest.approx(-0.5 * (1 - 2 - (mean[:, 0] ** 2).mean() - np.exp(-2)), rel=1e-5)
    assert rate_by_dimension(latents(mean, None)) is None


def test_an_aggregate_equal_to_the_prior_does_not_mismatch():
    """Posteriors of standard deviation s with means from N(0, 1 - s^2) add up to N(0, I)."""
    random = np.random.default_rng(0)
    means = random.normal(0, np.sqrt(1 - 0.5**2), size=(20_000, 2))
    assert mismatch(latents(means, 0.5), random) == pytest.approx(0, abs=0.02)
    # Moved by 2 along one axis: KL(N(2, 1) || N(0, 1)) = 2.
    assert mismatch(latents(means + np.array([2, 0]), 0.5), random) == pytest.approx(2, abs=0.15)
    assert mismatch(latents(means, None), random) is None


def test_posteriors_that_do_not_overlap_mismatch_by_the_rate_less_log_n():
    means = np.random.default_rng(0).normal(size=(300, 30))
    found, rate = latents(means, 1e-3), rate_by_dimension(latents(means, 1e-3)).sum()
    assert mismatch(found, np.random.default_rng(1)) == pytest.approx(rate - np.log(300), rel=0.01)


def test_correlation_is_the_largest():
    random = np.random.default_rng(0)
    z = random.normal(size=(5000, 3))
    assert correlation(z) < 0.05
    z[:, 2] = -z[:, 0] + random.normal(0, 0.5, 5000)
    assert correlation(z) == pytest.approx(1 / np.sqrt(1.25), abs=0.02)
    assert correlation(np.zeros((10, 3))) == 0


def test_holes_are_draws_far_from_all_latents():
    random = np.random.default_rng(0)
    train, held_out, draws = (random.normal(size=(n, 2)).astype(np.float32) for n in (5000, 1000, 4000))
    assert holes(train, held_out, draws) == pytest.approx(0.01, abs=0.01)
    left = train[train[:, 0] < 0], held_out[held_out[:, 0] < 0]
    assert holes(*left, draws) == pytest.approx(0.45, abs=0.06)


def test_aggregate_statistics_repeat_and_know_points():
    random = np.random.default_rng(0)
    train, held_out = latents(random.normal(size=(2000, 2)), 0.1), latents(random.normal(size=(500, 2)), 0.1)
    found = aggregate_statistics(train, held_out, StandardNormal(2))
    assert len(found["rate_by_dimension_nats"]) == 2
    assert found["holes"] < 0.05
    assert found == aggregate_statistics(train, held_out, StandardNormal(2))
    alone = aggregate_statistics(latents(train.mean, None), latents(held_out.mean, None), StandardNormal(2))
    assert alone["rate_by_dimension_nats"] is None
    assert alone["mismatch_nats"] is None
