"""What reconstruction error is usual among held-out images, and how it is kept."""

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


def test_many_at_once_are_as_each_alone(vae_run, pictures, monkeypatch):
    monkeypatch.setattr("armoire.wardrobe.outliers.EVALUATION_BATCH", 3)
    pixels = pictures(8)
    alone = [float(squared_errors(vae_run.model, pixels[i : i + 1])[0]) for i in range(8)]
    np.testing.assert_allclose(squared_errors(vae_run.model, pixels), alone, rtol=1e-5)


def test_the_limit_is_the_99th_percentile_of_the_held_out(vae_run, discs):
    images = discs(n=20, test=300, seed=5)
    errors = np.sort(vae_run.squared_errors(images.split("test").images))
    usual = measure_percentiles(vae_run.model, images)
    assert usual.images == 300
    assert usual.threshold == pytest.approx(errors[296], rel=1e-5)  # 297 of 300 do not exceed it
    assert usual.are_outliers(errors).tolist() == [False] * 297 + [True] * 3
    assert [usual.percentiles[p] for p in (0, 50, 100)] == pytest.approx(
        [errors[0], errors[149], errors[299]], rel=1e-5
    )


def test_of_few_held_out_images_none_is_a_stranger(vae_run):
    errors = vae_run.squared_errors(vae_run.images.split("test").images)
    assert vae_run.error_percentiles.images == 10
    assert vae_run.error_percentiles.threshold == pytest.approx(errors.max())
    assert not vae_run.outliers(vae_run.images.split("test").images).any()


def test_rounding_makes_no_outlier():
    usual = ErrorPercentiles((0.02,) * 101, 100)
    errors = np.array([0.019, 0.02, 0.02 * (1 + 1e-6), 0.0201])
    assert usual.are_outliers(errors).tolist() == [False, False, False, True]


def test_it_is_cached_at_the_end_of_training_and_then_read(copy, vae_run, recorder):
    cached = json.loads((copy / "error_percentiles.json").read_text())
    assert cached["cache_key"]["data_fingerprint"] == vae_run.run.data.fingerprint
    assert cached["cache_key"]["model_sha256"] == vae_run.run.model_sha256()
    opened = Wardrobe.open(copy, device="cpu", progress=recorder)
    assert opened.error_percentiles == ErrorPercentiles(tuple(cached["content"]["percentiles"]), 10)
    assert (recorder.titles, recorder.notes) == ([], [])


def test_a_run_trained_again_has_its_own(copy, vae_run, tiny, discs):
    again = train(tiny(epochs=3, schedule="constant"), discs(), copy.parent / "other", device="cpu")
    shutil.copy(copy / "error_percentiles.json", again.run.path / "error_percentiles.json")
    opened = Wardrobe.open(again.run.path, again.images, device="cpu")
    errors = again.squared_errors(again.images.split("test").images)
    assert opened.error_percentiles.threshold == pytest.approx(errors.max())
    assert opened.error_percentiles.threshold != vae_run.error_percentiles.threshold


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"much"', "null", "[1]"])
def test_a_value_that_is_no_number_is_measured_again(copy, vae_run, value):
    path = copy / "error_percentiles.json"
    cached = json.loads(path.read_text())
    content = {name: entry for name, entry in cached.items() if name != "sha256"}
    percentiles = [*cached["content"]["percentiles"][:99], json.loads(value), cached["content"]["percentiles"][100]]
    write_checksummed(path, content | {"content": cached["content"] | {"percentiles": percentiles}})
    opened = Wardrobe.open(copy, vae_run.images, device="cpu")
    assert opened.error_percentiles == vae_run.error_percentiles
    assert json.loads(path.read_text()) == cached


def test_without_the_data_it_is_told_once_that_it_cannot_be_told(copy, recorder):
    (copy / "error_percentiles.json").unlink()
    opened = Wardrobe.open(copy, device="cpu", progress=recorder)
    assert opened.error_percentiles is None
    assert opened.error_percentiles is None
    assert len(recorder.notes) == 1
    with pytest.raises(ArmoireError, match=r"error threshold of .* is computed from its data"):
        opened.outliers(np.zeros((1, 16, 16, 1), np.uint8))
    assert "outliers cannot be detected: " in recorder.notes[0]
    assert "was trained on an array in memory" in recorder.notes[0]
    assert not (copy / "error_percentiles.json").exists()


def test_rows_are_described_by_id_split_and_name_of_the_label(vae_run):
    latents = vae_run.latents
    assert latents.describe(np.array([41, 0]), ("a", "b", "c")) == [
        {"id": "0041", "split": "test", "label": "c"},
        {"id": "0000", "split": "train", "label": "a"},
    ]
    assert [row["label"] for row in latents.describe(np.array([2, 1]), ())] == ["2", "1"]
