from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import kstest

from armoire.images.imageset import make_table
from armoire.measure.latent_statistics import (
    aggregate_statistics,
    areas,
    correlation,
    holes,
    ks_distances,
    latent_statistics,
    mismatch,
    rate_by_dimension,
)
from armoire.priors import Box, StandardNormal
from armoire.wardrobe import Latents


def grid(n: int = 100) -> np.ndarray:
    """n x n points in the unit square, at the centres of its cells."""
    axis = (np.arange(n) + 0.5) / n
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


@given(seed=st.integers(0, 1000), n=st.integers(1, 300), shift=st.floats(-3, 3), scale=st.floats(0.1, 5))
def test_ks_distances_are_those_of_scipy(seed, n, shift, scale):
    z = (np.random.default_rng(seed).standard_normal((n, 3)) * scale + shift).astype(np.float32)
    expected = [kstest(z[:, k].astype(np.float64), "norm").statistic for k in range(3)]
    np.testing.assert_allclose(ks_distances(z), expected, atol=1e-12)


def test_areas_of_a_layout_with_known_shares():
    points = grid()
    labels = np.where(points[:, 0] < 0.25, 0, np.where(points[:, 1] < 0.5, 1, 2))
    found = areas(points, labels, ("left", "low", "high"), distance=0.01)
    assert found["box"] == [[0.005, 0.005], [0.995, 0.995]]
    assert found["area_share"] == pytest.approx({"left": 0.25, "low": 0.375, "high": 0.375}, abs=0.01)
    assert found["data_share"] == pytest.approx({"left": 0.25, "low": 0.375, "high": 0.375}, abs=1e-9)
    assert found["area_mismatch"] < 0.01
    assert found["empty"] == 0.0
    assert sum(found["area_share"].values()) == pytest.approx(1)


def test_unequal_areas_show_as_a_mismatch():
    points, labels = grid(50), np.zeros(2500, int)
    crowd = np.tile([0.1, 0.1], (7500, 1))
    found = areas(
        np.concatenate([points, crowd]), np.concatenate([labels, labels.repeat(3) + 1]), ("wide", "tight"), 0.1
    )
    assert found["data_share"] == {"wide": 0.25, "tight": 0.75}
    assert found["area_share"]["tight"] < 0.001
    assert found["area_mismatch"] == pytest.approx(0.75, abs=0.001)


def test_holes_are_the_share_of_the_box_far_from_everything():
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    found = areas(corners, np.full(4, -1), (), distance=0.3)
    assert found["empty"] == pytest.approx(1 - np.pi * 0.3**2, abs=0.002)
    assert set(found) == {"box", "empty"}


def test_areas_in_p_are_even_for_a_normal_cloud():
    p = grid()
    labels = (p[:, 0] < 0.3).astype(int)
    found = areas(ndtri(p), labels, ("right", "left"), 0.1)
    assert found["p_area_share"] == pytest.approx({"right": 0.7, "left": 0.3}, abs=0.005)
    assert found["p_area_mismatch"] < 0.005
    # In z the outer class has more: its edge is at Phi^-1(0.3) within a box of +-2.576.
    assert found["area_share"]["left"] == pytest.approx((2.576 - 0.524) / (2 * 2.576), abs=0.01)


def test_a_class_without_images_has_no_area_and_unlabelled_ones_do_not_count():
    points = grid(20)
    labels = np.where(points[:, 0] < 0.5, 0, -1)
    found = areas(points, labels, ("a", "b"), 0.1)
    assert found["area_share"] == {"a": 1.0, "b": 0.0}
    assert found["data_share"] == {"a": 1.0, "b": 0.0}


def test_active_units_are_the_dimensions_that_vary():
    random = np.random.default_rng(0)
    z = random.standard_normal((2000, 4)) * np.sqrt([1.0, 0.02, 0.005, 0.0]) + [0, 5, 5, 5]
    found = latent_statistics(z, np.full(2000, -1), (), StandardNormal(4))
    assert found["active_units"] == 2
    assert found["dimensions"] == 4
    assert found["centre"] == pytest.approx([0, 5, 5, 5], abs=0.1)
    assert found["spread"] == pytest.approx(np.sqrt((1 + 0.02 + 0.005) / 4), rel=0.05)
    assert found["ks_max"] == pytest.approx(1.0, abs=1e-3)
    assert found["ks_max"] >= found["ks_mean"]
    # In four dimensions all distances are alike: a hole of a fixed size would say nothing.
    assert not {"areas", "drawn_in_holes", "hole_distance"} & found.keys()


def test_draws_away_from_the_data_are_in_holes():
    # The standard deviation is 0.289, so a hole begins 0.0289 from the nearest: a grid 0.01 wide has none.
    points = grid()
    inside, outside, half = (
        latent_statistics(points, np.full(len(points), -1), (), Box(np.array(low), np.array(high)))["drawn_in_holes"]
        for low, high in (([0.1, 0.1], [0.9, 0.9]), ([2.0, 2.0], [3.0, 3.0]), ([0.0, 0.1], [2.0, 0.9]))
    )
    assert inside == 0.0
    assert outside == 1.0
    assert half == pytest.approx(1 - (1 + 0.0289) / 2, abs=0.02)


def test_around_collapsed_embeddings_all_is_hole():
    found = latent_statistics(np.zeros((50, 2)), np.zeros(50, int), ("a",), StandardNormal(2))
    assert found["drawn_in_holes"] == 1.0
    assert found["hole_distance"] == 0.0
    assert found["active_units"] == 0
    assert found["ks_max"] == pytest.approx(0.5)


def latents(mean: np.ndarray, deviation: float | None) -> Latents:
    n = len(mean)
    table = make_table([str(i) for i in range(n)], ["train"] * n, [0] * n)
    log_var = None if deviation is None else np.full(mean.shape, 2 * np.log(deviation), np.float32)
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
