from __future__ import annotations

import numpy as np
import pytest

from armoire.wardrobe.axes import principal_axes


@pytest.fixture
def cloud() -> np.ndarray:
    random = np.random.default_rng(0)
    return (random.standard_normal((400, 6)) * [5, 4, 3, 2, 1, 0.1] @ random.standard_normal((6, 6)) + 7).astype("f4")


def test_principal_axes_are_the_eigenvectors_of_the_covariance(cloud):
    axes = principal_axes(cloud, 3)
    covariance = np.cov(cloud.T.astype(np.float64), bias=True)
    values = np.linalg.eigvalsh(covariance)[::-1]
    np.testing.assert_allclose(axes.vectors @ axes.vectors.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(covariance @ axes.vectors.T, axes.vectors.T * values[:3], atol=1e-4)
    np.testing.assert_allclose(axes.scales, np.sqrt(values[:3]), rtol=1e-5)
    np.testing.assert_allclose(axes.shares, values[:3] / values.sum(), rtol=1e-5)
    np.testing.assert_allclose(axes.project(cloud).std(axis=0), axes.scales, rtol=1e-4)


def test_an_axis_points_where_its_largest_weight_is_positive(cloud):
    for axes in (principal_axes(cloud, 6), principal_axes(-cloud, 6)):
        assert (axes.vectors[np.arange(6), np.abs(axes.vectors).argmax(axis=1)] > 0).all()


def test_the_axes_of_a_single_image_explain_nothing():
    axes = principal_axes(np.zeros((1, 5), np.float32), 2)
    assert axes.project(np.zeros((1, 5), np.float32)).shape == (1, 2)
    assert axes.shares.tolist() == [0, 0]


def test_there_are_at_most_as_many_axes_as_dimensions(cloud):
    assert principal_axes(cloud[:, :2], 10).vectors.shape == (2, 2)
