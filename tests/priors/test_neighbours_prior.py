"""Averages of neighbouring latents: what they are made of, the spread they have, and how they are chosen."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from armoire.errors import ArmoireError
from armoire.priors import LatentDraws, fit_prior
from armoire.priors.neighbours import AMONG, DESPITE, UNCHECKED, Averaging, NeighbourAverages, nearest_others

PAIR = Averaging(2, 0, 5, 1)


def clusters(n: int = 400, d: int = 6, seed: int = 0) -> np.ndarray:
    """Ten tight clusters, as float32 (n, d)."""
    random = np.random.default_rng(seed)
    centres = 5 * random.normal(size=(10, d)) + 3
    return (centres[random.integers(0, 10, n)] + 0.3 * random.normal(size=(n, d))).astype(np.float32)


def averages_of(z: np.ndarray, averaging: Averaging) -> NeighbourAverages:
    prior, _ = fit_prior("neighbours", LatentDraws(z, None))
    assert isinstance(prior, NeighbourAverages)
    return replace(prior, averaging=averaging)


@pytest.mark.parametrize("averaging", [PAIR, Averaging(4, 1, 10, 0), Averaging(2, 0, 0, 1), Averaging(4, 1, 100, 1)])
def test_samples_are_the_stated_averages_of_different_neighbours(averaging):
    z = clusters()
    prior = averages_of(z, averaging)
    drawn = prior.draw(50, np.random.default_rng(1))
    assert np.array_equal(drawn.z, prior.sample(50, np.random.default_rng(1)))
    assert drawn.z.dtype == np.float32
    assert drawn.weights.sum(axis=1) == pytest.approx(np.ones(50))
    assert (drawn.weights == 1 / averaging.count).all() == (not averaging.dirichlet)
    averages = (drawn.weights[:, :, None] * z[drawn.rows]).sum(axis=1)
    mean = prior.whitening.mean
    np.testing.assert_allclose(drawn.z, mean + prior.scale * (averages - mean), atol=1e-4)
    white = prior.whitening.whiten(z)
    for row in drawn.rows:
        assert len(set(row)) == averaging.count
        distances = np.linalg.norm(white - white[row[0]], axis=1)
        ranks = (distances < distances[row[1:], None] - 1e-4).sum(axis=1)  # itself is the nearest
        assert averaging.among == 0 or (ranks <= averaging.among).all()


def test_neighbours_exclude_the_latent_itself_also_where_others_equal_it():
    z = np.repeat(clusters(20), 3, axis=0)
    rows = np.arange(len(z))
    near = nearest_others(z, rows, 2)
    assert (near != rows[:, None]).all()
    assert (z[near] == z[:, None]).all()


def test_the_spread_that_averages_lose_is_restored():
    z = np.random.default_rng(0).normal(4, np.linspace(1, 3, 20), (2000, 20)).astype(np.float32)
    prior, _ = fit_prior("neighbours", LatentDraws(z, None))
    assert isinstance(prior, NeighbourAverages)
    lost = replace(prior, averaging=Averaging(2, 0, 0, 0), scale=np.ones(20)).sample(3000, np.random.default_rng(0))
    assert lost.std(axis=0) == pytest.approx(z.std(axis=0) / np.sqrt(2), rel=0.1)
    assert prior.averaging.restored  # which is more like the latents
    for temperature in (0.5, 1.0):
        drawn = prior.sample(3000, np.random.default_rng(0), temperature)
        assert drawn.std(axis=0) == pytest.approx(temperature * z.std(axis=0), rel=0.1)
        assert drawn.mean(axis=0) == pytest.approx(z.mean(axis=0), abs=0.3)


def test_the_fewest_neighbours_without_many_copies_are_chosen(recorder):
    draws, shares = LatentDraws(clusters(), None), iter([0.5, 0.12, 0.02])
    _, report = fit_prior("neighbours", draws, copied=lambda *_: lambda _: next(shares))
    assert report["copies"] == 0.02
    assert [entry["among"] for entry in report["tried"]] == list(AMONG[:3])
    assert report["averaging"]["among"] == AMONG[2]
    assert json.dumps(report)
    _, report = fit_prior("neighbours", draws, copied=lambda *_: lambda _: 0.5, progress=recorder)
    assert len(report["tried"]) == sum(k < 359 for k in AMONG)
    assert any("50% of averages" in note for note in recorder.notes)
    assert report["averaging"]["among"] <= DESPITE  # of others, they would be overlaid images
    # Nothing to compare with: as far from copies as the latents alone can say.
    _, report = fit_prior("neighbours", draws)
    assert (report["copies"], report["averaging"]["among"]) == (None, UNCHECKED)


@pytest.mark.parametrize("n", [20, 30, 130])
def test_few_latents_have_few_neighbours(n):
    prior, _ = fit_prior("neighbours", LatentDraws(clusters(n), None), copied=lambda *_: lambda _: 0.0)
    assert np.isfinite(prior.sample(100, np.random.default_rng(0))).all()
    assert prior.sample(0, np.random.default_rng(0)).shape == (0, 6)


def test_it_has_no_density():
    prior, _ = fit_prior("neighbours", LatentDraws(clusters(), None))
    with pytest.raises(ArmoireError, match="no density; use a prior that has one"):
        prior.log_prob(clusters())


@pytest.mark.parametrize(
    "change", [{"count": 1}, {"count": 10**9}, {"count": 4, "among": 2}, {"among": -1}, {"restored": 1.0}, {"more": 1}]
)
def test_no_forged_state_is_trusted(change):
    prior, _ = fit_prior("neighbours", LatentDraws(clusters(), None))
    tensors, settings = prior.state()
    again = NeighbourAverages.from_state(tensors, settings, 6).with_latents(LatentDraws(clusters(), None))
    assert np.array_equal(again.sample(9, np.random.default_rng(0)), prior.sample(9, np.random.default_rng(0)))
    with pytest.raises((ValueError, TypeError)):
        NeighbourAverages.from_state(tensors, settings | change, 6)
    with pytest.raises(ValueError, match="scale"):
        NeighbourAverages.from_state(tensors | {"scale": tensors["scale"][:2]}, settings, 6)
