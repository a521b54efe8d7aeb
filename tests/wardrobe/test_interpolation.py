from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from armoire.errors import ArmoireError
from armoire.wardrobe.interpolation import interpolate

latents = arrays(np.float32, 4, elements=st.floats(-10, 10, width=32))


@given(a=latents, b=latents, steps=st.integers(2, 20), kind=st.sampled_from(["linear", "spherical"]))
def test_a_path_includes_both_ends_exactly(a, b, steps, kind):
    z = interpolate(a, b, steps, kind)
    assert z.shape == (steps, 4)
    assert z.dtype == np.float32
    assert np.array_equal(z[[0, -1]], [a, b])
    assert np.isfinite(z).all()


def test_a_linear_path_follows_the_published_formula():
    a, b = np.array([0.0, 2.0], np.float32), np.array([4.0, -2.0], np.float32)
    np.testing.assert_allclose(interpolate(a, b, 5), [[0, 2], [1, 1], [2, 0], [3, -1], [4, -2]])


def test_a_spherical_path_turns_at_constant_speed():
    z = interpolate(np.array([2.0, 0.0]), np.array([0.0, 2.0]), 4, "spherical")
    degrees = np.degrees(np.arctan2(z[:, 1], z[:, 0]))
    np.testing.assert_allclose(degrees, [0, 30, 60, 90], atol=1e-4)


@given(a=latents, b=latents)
def test_the_length_along_a_spherical_path_changes_evenly(a, b):
    one, two = np.linalg.norm(a), np.linalg.norm(b)
    assume(min(one, two) > 0.1 and abs(float(a @ b)) < 0.999 * one * two)
    lengths = np.linalg.norm(interpolate(a, b, 9, "spherical"), axis=1)
    np.testing.assert_allclose(lengths, np.linspace(one, two, 9), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("b", [[2.0, 2.0], [-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]])
def test_a_spherical_path_without_a_great_circle_is_straight(b):
    a, b = np.array([1.0, 1.0], np.float32), np.array(b, np.float32)
    np.testing.assert_allclose(interpolate(a, b, 5, "spherical"), interpolate(a, b, 5), atol=1e-6)


@pytest.mark.parametrize("end", [np.array([np.nan, 0]), np.zeros(1), np.zeros((2, 2)), ["a", "b"]])
def test_both_ends_are_latents(vae_run, end):
    for path in (vae_run.interpolate, interpolate):
        for a, b in ((end, np.ones(2)), (np.ones(2), end)):
            with pytest.raises(ArmoireError):
                path(a, b, steps=3)


def test_steps_and_kind_are_checked():
    with pytest.raises(ArmoireError, match="at least 2 steps"):
        interpolate(np.zeros(2), np.zeros(2), 1)
    with pytest.raises(Exception, match=r"linear.*spherical"):
        interpolate(np.zeros(2), np.zeros(2), 3, "curly")
