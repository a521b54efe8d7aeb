"""Percentiles of the held-out images' reconstruction errors, and the images that exceed the 99th."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from armoire import Wardrobe, evaluate, train
from armoire.errors import ArmoireError
from armoire.io.files import write_checksummed
from armoire.model import to_unit
from armoire.wardrobe.outliers import ErrorPercentiles, measure_percentiles, squared_errors


@pytest.fixture
def copy(vae_run, tmp_path):
    return shutil.copytree(vae_run.run.path, tmp_path / "run")


@pytest.mark.parametrize("kind", ["vae_run", "ae_run"])
def test_errors_are_those_of_the_reconstruction_from_the_mean(kind, request, pictures):
    wardrobe = request.getfixturevalue(kind)
    pixels = pictures(5)
    x = to_unit(torch.from_numpy(pixels))
    with torch.no_grad():
        again = wardrobe.model.decode(wardrobe.model.encode(x).mean)
    expected = ((again - x) ** 2).flatten(1).mean(dim=1).numpy()
    np.testing.assert_allclose(wardrobe.squared_errors(pixels), expected, rtol=1e-5)
    held_out = wardrobe.images.split("test").images
    reported = evaluate(wardrobe).reconstruction["mse"]
    assert wardrobe.squared_errors(held_out).mean() == pytest.approx(reported, rel=1e-5)
    assert len(wardrobe.squared_errors(pixels[:0])) == 0


def test_errors_do_not_depend_on_the_batch(vae_run, pictures, monkeypatch):
    monkeypatch.setattr("armoire.wardrobe.outliers.EVALUATION_BATCH", 3)
    pixels = pictures(8)
    alone = [float(squared_errors(vae_run.model, pixels[i : i + 1])[0]) for i in range(8)]
    np.testing.assert_allclose(squared_errors(vae_run.model, pixels), alone, rtol=1e-5)


def test_the_threshold_is_the_99th_percentile_of_the_held_out_images(vae_run, discs):
    images = discs(n=20, test=300, seed=5)
    errors = np.sort(vae_run.squared_errors(images.split("test").images))
    found = measure_percentiles(vae_run.model, images)
    assert found.images == 300
    assert found.threshold == pytest.approx(errors[296], rel=1e-5)  # 297 of 300 do not exceed it
    assert found.are_outliers(errors).tolist() == [False] * 297 + [True] * 3
    median = [found.percentiles[p] for p in (0, 50, 100)]
    assert median == pytest.approx([errors[0], errors[149], errors[299]], rel=1e-5)


def test_of_few_held_out_images_none_is_an_outlier(vae_run):
    errors = vae_run.squared_errors(vae_run.images.split("test").images)
    assert vae_run.error_percentiles.images == 10
    assert vae_run.error_percentiles.threshold == pytest.approx(errors.max())
    assert not vae_run.outliers(vae_run.images.split("test").images).any()


def test_rounding_makes_no_outlier():
    errors = np.array([0.019, 0.02, 0.02 * (1 + 1e-6), 0.0201])
    assert ErrorPercentiles((0.02,) * 101, 100).are_outliers(errors).tolist() == [False, False, False, True]


def test_percentiles_are_cached_by_training_and_measured_again_for_other_weights(copy, vae_run, tiny, discs, recorder):
    cached = json.loads((copy / "error_percentiles.json").read_text())
    opened = Wardrobe.open(copy, device="cpu", progress=recorder)
    assert opened.error_percentiles == ErrorPercentiles(tuple(cached["content"]["percentiles"]), 10)
    assert (recorder.titles, recorder.notes) == ([], [])
    again = train(tiny(epochs=3, schedule="constant"), discs(), copy.parent / "other", device="cpu")
    shutil.copy(copy / "error_percentiles.json", again.run.path / "error_percentiles.json")
    errors = again.squared_errors(again.images.split("test").images)
    opened = Wardrobe.open(again.run.path, again.images, device="cpu")
    assert opened.error_percentiles.threshold == pytest.approx(errors.max())
    assert opened.error_percentiles.threshold != vae_run.error_percentiles.threshold


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"much"', "null", "[1]"])
def test_a_value_that_is_not_a_number_is_measured_again(copy, vae_run, value):
    path = copy / "error_percentiles.json"
    cached = json.loads(path.read_text())
    content = {name: entry for name, entry in cached.items() if name != "sha256"}
    percentiles = [*cached["content"]["percentiles"][:99], json.loads(value), cached["content"]["percentiles"][100]]
    write_checksummed(path, content | {"content": cached["content"] | {"percentiles": percentiles}})
    opened = Wardrobe.open(copy, vae_run.images, device="cpu")
    assert opened.error_percentiles == vae_run.error_percentiles
    assert json.loads(path.read_text()) == cached


def test_without_the_data_one_note_says_that_outliers_cannot_be_detected(copy, recorder):
    (copy / "error_percentiles.json").unlink()
    opened = Wardrobe.open(copy, device="cpu", progress=recorder)
    assert opened.error_percentiles is opened.error_percentiles is None
    with pytest.raises(ArmoireError, match=r"error threshold of .* is computed from its data"):
        opened.outliers(np.zeros((1, 16, 16, 1), np.uint8))
    (note,) = recorder.notes
    assert "outliers cannot be detected: " in note
    assert "was trained on an array in memory" in note
    assert not (copy / "error_percentiles.json").exists()
