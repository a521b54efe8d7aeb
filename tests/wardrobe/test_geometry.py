"""Paths, neighbours, priors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kstest

from armoire.errors import ArmoireError
from armoire.priors import Box, LatentDraws, StandardNormal
from armoire.wardrobe.interpolation import interpolate
from armoire.wardrobe.neighbours import nearest
from armoire.wardrobe.priors import RunPriors

places = arrays(np.float32, 4, elements=st.floats(-10, 10, width=32))


@given(a=places, b=places, steps=st.integers(2, 20), kind=st.sampled_from(["linear", "spherical"]))
def test_a_path_includes_both_ends_exactly(a, b, steps, kind):
    z = interpolate(a, b, steps, kind)
    assert z.shape == (steps, 4)
    assert z.dtype == np.float32
    assert np.array_equal(z[0], a)
    assert np.array_equal(z[-1], b)
    assert np.isfinite(z).all()


def test_a_linear_path_is_the_formula_of_the_published():
    a, b = np.array([0.0, 2.0], np.float32), np.array([4.0, -2.0], np.float32)
    np.testing.assert_allclose(interpolate(a, b, 5), [[0, 2], [1, 1], [2, 0], [3, -1], [4, -2]])


def test_a_spherical_path_turns_at_constant_speed():
    z = interpolate(np.array([2.0, 0.0]), np.array([0.0, 2.0]), 4, "spherical")
    degrees = np.degrees(np.arctan2(z[:, 1], z[:, 0]))
    np.testing.assert_allclose(degrees, [0, 30, 60, 90], atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 2, rtol=1e-6)


@given(a=places, b=places)
def test_the_length_along_a_spherical_path_goes_evenly(a, b):
    one, two = np.linalg.norm(a), np.linalg.norm(b)
    assume(one > 0.1)
    assume(two > 0.1)
    assume(abs(float(a @ b)) < 0.999 * one * two)
    lengths = np.linalg.norm(interpolate(a, b, 9, "spherical"), axis=1)
    np.testing.assert_allclose(lengths, np.linspace(one, two, 9), rtol=1e-3, atol=1e-4)
    steps = np.diff(lengths)
    assert (steps >= -1e-4).all() or (steps <= 1e-4).all()


@pytest.mark.parametrize("b", [[2.0, 2.0], [-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]])
def test_a_spherical_path_without_a_great_circle_is_straight(b):
    a, b = np.array([1.0, 1.0], np.float32), np.array(b, np.float32)
    np.testing.assert_allclose(interpolate(a, b, 5, "spherical"), interpolate(a, b, 5), atol=1e-6)


def test_paths_that_cannot_be_are_told():
    z = np.zeros(2)
    with pytest.raises(ArmoireError, match="at least 2 steps"):
        interpolate(z, z, 1)
    with pytest.raises(Exception, match=r"linear.*spherical"):
        interpolate(z, z, 3, "curly")


@given(
    n=st.integers(1, 60),
    m=st.integers(1, 8),
    d=st.integers(1, 5),
    k=st.integers(1, 80),
    seed=st.integers(0, 1000),
    offset=st.sampled_from([0.0, 10.0]),
)
def test_nearest_agrees_with_brute_force(n, m, d, k, seed, offset):
    random = np.random.default_rng(seed)
    latents = (random.standard_normal((n, d)) + offset).astype(np.float32)
    z = (random.standard_normal((m, d)) + offset).astype(np.float32)
    found = nearest(latents, z, k)
    distances = np.linalg.norm(latents[None].astype(np.float64) - z[:, None], axis=2)
    kept = min(k, n)
    assert found.rows.shape == (m, kept)
    assert all(len(set(row)) == kept for row in found.rows)
    np.testing.assert_allclose(found.distances, np.sort(distances, axis=1)[:, :kept], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.distances, np.take_along_axis(distances, found.rows, 1), rtol=1e-4, atol=1e-5)


def test_nearest_stays_exact_far_from_the_origin():
    random = np.random.default_rng(0)
    latents = (random.standard_normal((500, 2)) * 0.1 + 1000).astype(np.float32)
    found = nearest(latents, latents[:50], 1)
    assert (found.distances == 0).all()


def test_many_places_are_searched_in_parts(monkeypatch):
    random = np.random.default_rng(0)
    latents, z = random.standard_normal((50, 3)).astype("f4"), random.standard_normal((25, 3)).astype("f4")
    whole = nearest(latents, z, 5)
    monkeypatch.setattr("armoire.wardrobe.neighbours.QUERIES", 4)
    monkeypatch.setattr("armoire.wardrobe.neighbours.ROWS", 7)
    parts = nearest(latents, z, 5)
    assert np.array_equal(whole.rows, parts.rows)
    assert np.array_equal(whole.distances, parts.distances)


def test_the_standard_normal_is_one():
    z = StandardNormal(3).sample(5000, np.random.default_rng(0))
    assert z.shape == (5000, 3)
    assert z.dtype == np.float32
    assert all(kstest(z[:, k], "norm").pvalue > 1e-3 for k in range(3))
    assert np.abs(np.corrcoef(z.T) - np.eye(3)).max() < 0.06


def test_the_box_is_filled_evenly():
    low, high = np.array([-1.0, 5.0]), np.array([1.0, 5.5])
    z = Box(low, high).sample(5000, np.random.default_rng(0))
    assert z.shape == (5000, 2)
    assert all(kstest((z[:, k] - low[k]) / (high[k] - low[k]), "uniform").pvalue > 1e-3 for k in range(2))


def test_the_prior_goes_by_the_posterior_unless_it_is_named(vae_run, ae_run):
    embeddings = np.array([[0.0, 5.0], [2.0, -1.0], [1.0, 1.0]], np.float32)

    of_vae, of_ae = (RunPriors(wardrobe.run, lambda _: LatentDraws(embeddings, None)) for wardrobe in (vae_run, ae_run))
    assert of_vae.get() == StandardNormal(2)
    box = of_ae.get()
    assert (box.low.tolist(), box.high.tolist()) == ([0.0, -1.0], [2.0, 5.0])
    assert isinstance(of_vae.get("box"), Box)
    assert isinstance(of_ae.get("normal"), StandardNormal)
    with pytest.raises(ArmoireError, match="no prior 'boxx'; did you mean 'box'"):
        of_ae.get("boxx")
