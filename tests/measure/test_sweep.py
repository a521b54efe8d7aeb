"""A recipe at several betas: rows, files, and resuming."""

from __future__ import annotations

import csv

import pytest

from armoire.errors import ArmoireError, TrainingInterruptedError
from armoire.figures.sweep import draw_sweep, save_sweep
from armoire.measure.sweep import sweep
from armoire.wardrobe.extractors import installed_features

pytestmark = pytest.mark.usefixtures("quick_features")


@pytest.fixture
def recipe(tiny):
    return tiny("images-vae", likelihood="calibrated", epochs=6, latent=2)


def test_rate_falls_and_distortion_grows_with_beta(recipe, discs, tmp_path):
    rows = sweep(recipe, [40, 0.01], tmp_path / "s", discs(n=120, test=30), samples=20, device="cpu")
    assert [row["beta"] for row in rows] == [0.01, 40]
    rates, distortions = ([row[name] for row in rows] for name in ("rate_nats", "distortion_nats"))
    assert rates == sorted(rates, reverse=True)
    assert distortions[-1] > distortions[0]
    first, *others = installed_features()
    assert all(row["fd"] > 0 and row["features"] == first for row in rows)
    assert all(row[f"fd_{name}"] > 0 for row in rows for name in others)
    with (tmp_path / "s" / "sweep.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [float(row["rate_nats"]) for row in written] == rates
    _, quality = draw_sweep(rows, recipe).axes
    assert [label.get_text() for label in quality.get_xticklabels()] == ["0.01", "40"]
    path = save_sweep(rows, tmp_path / "s", recipe)
    assert path.read_bytes()[:4] == b"\x89PNG"


def test_an_interrupted_sweep_is_resumed(recipe, discs, tmp_path, stops_at, monkeypatch):
    images, recipe = discs(n=40, test=10), recipe.change(epochs=2)
    with pytest.raises(TrainingInterruptedError):
        sweep(recipe, [1, 2], tmp_path / "s", images, samples=0, device="cpu", progress=stops_at(4))
    rows = sweep(recipe, [1, 2], tmp_path / "s", images, samples=0, device="cpu")
    assert "fd" not in rows[0]
    whole = sweep(recipe, [1, 2], tmp_path / "t", images, samples=0, device="cpu")
    assert [row["rate_nats"] for row in rows] == [row["rate_nats"] for row in whole]
    monkeypatch.setattr("armoire.measure.sweep.evaluate", None)  # measured already
    again = sweep(recipe, [1, 2], tmp_path / "s", images, samples=0, device="cpu")
    assert again == rows


def test_a_recipe_without_a_rate_is_refused(tiny, discs, tmp_path):
    with pytest.raises(ArmoireError, match="plain autoencoder"):
        sweep(tiny("fashion-ae"), [1], tmp_path / "s", discs())
    with pytest.raises(ArmoireError, match="a list of weights"):
        sweep(tiny("images-vae"), [], tmp_path / "s", discs())
