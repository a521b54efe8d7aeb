"""How unusual images are: percentiles, heat maps, and a threshold with a stated rate of false positives."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from armoire import Wardrobe, evaluate, train
from armoire.errors import ArmoireError
from armoire.io.tensors import open_tensors, write_tensors
from armoire.model import to_unit
from armoire.training.parts import set_apart
from armoire.wardrobe.error_maps import ErrorMaps, error_maps, squared_errors
from armoire.wardrobe.outliers import Calibration

NAME = "outliers.safetensors"
SIDE = 16


@pytest.fixture
def copy(vae_run, tmp_path):
    return shutil.copytree(vae_run.run.path, tmp_path / "run")


def drawn(n: int, random: np.random.Generator) -> ErrorMaps:
    """Errors of images more and less easy, and latents of two scales."""
    maps = (random.chisquare(3, (n, SIDE, SIDE)) * random.uniform(0.5, 2, (n, 1, 1)) / 1000).astype(np.float32)
    return ErrorMaps(maps, maps.mean(axis=(1, 2), dtype=float), random.normal(0, (1, 3), (n, 2)).astype(np.float32))


def calibrated(n: int, seed: int = 0) -> Calibration:
    random = np.random.default_rng(seed)
    return Calibration.of(drawn(n, random), random.normal(0, (1, 3), (200, 2)).astype(np.float32))


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
    assert len(wardrobe.squared_errors(pixels[:0])) == len(wardrobe.outliers(pixels[:0])) == 0


def test_errors_do_not_depend_on_the_batch(vae_run, pictures, monkeypatch):
    monkeypatch.setattr("armoire.wardrobe.error_maps.EVALUATION_BATCH", 3)
    pixels = pictures(8)
    alone = [float(squared_errors(vae_run.model, pixels[i : i + 1])[0]) for i in range(8)]
    np.testing.assert_allclose(squared_errors(vae_run.model, pixels), alone, rtol=1e-5)


# The interval is that of Beta(k, n + 1 - k); from 200 images on k = 10, from 1,000 on it is 1 %.
@pytest.mark.parametrize(
    ("n", "exceeding", "low", "high"),
    [(10, 1, 0.0025, 0.308), (99, 5, 0.0165, 0.0998), (499, 10, 0.0096, 0.0339), (1499, 15, 0.0056, 0.0156)],
)
def test_the_rate_of_false_positives_is_that_of_order_statistics(n, exceeding, low, high):
    found = calibrated(n)
    assert (found.images, found.exceeding) == (n, exceeding)
    assert found.false_positive_rate == exceeding / (n + 1)
    assert found.interval == pytest.approx((low, high), abs=1e-3)
    assert (found.scores > found.threshold).sum() == exceeding - 1
    assert f"any of {n - exceeding:,} of {n:,} images" in found.statement
    assert f"{found.false_positive_rate:.1%}" in found.statement


@pytest.mark.parametrize("n", [40, 150])
def test_as_many_new_images_are_outliers_as_is_stated(n):
    rates = []
    for seed in range(40):
        new = drawn(200, np.random.default_rng(1000 + seed))
        rates.append(calibrated(n, seed).judge(new).is_outlier.mean())
    stated = calibrated(n).false_positive_rate
    assert 0.4 * stated < np.mean(rates) < 2 * stated  # their mean has a standard error of a sixth


def test_a_defect_is_an_outlier_and_shows_in_the_heat_map_where_it_is():
    calibration, new = calibrated(200), drawn(20, np.random.default_rng(1))
    before = calibration.judge(new)
    new.maps[3, 4:6, 1:3] += 0.2
    new.means[4] *= 10
    new.latents[5] = (0, 30)
    after = calibration.judge(new)
    assert after.is_outlier[3] and after.percentile[3] == 100 and after.order[0] == 3
    row, column = np.unravel_index(after.heat_maps[3].argmax(), (SIDE, SIDE))
    assert 4 <= row <= 5 and 1 <= column <= 2 and after.heat_maps[3].max() == after.scores[3] > 1
    assert after.error_percentile[4] == 100 and after.density_percentile[5] == 0
    assert np.array_equal(np.delete(after.scores, 3), np.delete(before.scores, 3))


def test_percentiles_are_shares_of_the_calibration_images():
    calibration = calibrated(50)
    found = calibration.judge(drawn(200, np.random.default_rng(3)))
    for percentiles in (found.percentile, found.error_percentile, found.density_percentile):
        assert percentiles.min() >= 0 and percentiles.max() <= 100
        assert 35 < np.median(percentiles) < 65
    expected = [100 * np.mean(calibration.errors < error) for error in found.errors]
    np.testing.assert_allclose(found.error_percentile, expected, atol=2)
    assert calibration.error_percentiles()[100] == calibration.errors.max()


def test_usual_is_measured_on_all_images_that_were_not_trained_on(tiny, discs, tmp_path):
    recipe = tiny("images-vae", validation=0.2, latent=3)
    wardrobe = train(recipe, discs(50, 10), tmp_path / "run", device="cpu")
    _, rows, apart = set_apart(wardrobe.recipe, wardrobe.images)
    assert apart is not None and (len(apart), len(rows)) == (10, 40)
    held_out = wardrobe.images.split("test").images
    expected = np.sort(error_maps(wardrobe.model, np.concatenate([held_out, apart.images])).means)
    assert wardrobe.calibration is not None
    np.testing.assert_allclose(wardrobe.calibration.errors, expected, rtol=1e-5)
    own = Wardrobe.from_model(wardrobe.model, wardrobe.images, recipe)  # which images it was trained on is not known
    assert own.calibration is not None and own.calibration.images == len(held_out)


@pytest.mark.parametrize("kind", ["vae_run", "ae_run"])
def test_inverted_images_are_outliers_of_a_run_and_its_held_out_images_are_not(kind, request, pictures):
    wardrobe = request.getfixturevalue(kind)
    inverted = 255 - pictures(2)
    assert wardrobe.outliers(inverted).is_outlier.all()
    assert wardrobe.outliers(inverted).heat_maps.shape == (2, 16, 16)
    assert not wardrobe.outliers(wardrobe.images.split("test").images).is_outlier.any()
    assert wardrobe.calibration.images == 10


def test_what_is_usual_is_cached_by_training_and_measured_again_for_other_weights(copy, vae_run, tiny, discs, recorder):
    opened = Wardrobe.open(copy, device="cpu", progress=recorder)
    assert opened.calibration.scores.tolist() == vae_run.calibration.scores.tolist()
    noise = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 1)).astype(np.uint8)
    np.testing.assert_allclose(opened.outliers(noise).scores, vae_run.outliers(noise).scores, rtol=1e-4)
    assert recorder.notes == []
    again = train(tiny(epochs=3, schedule="constant"), discs(), copy.parent / "other", device="cpu")
    shutil.copy(copy / NAME, again.run.path / NAME)
    opened = Wardrobe.open(again.run.path, again.images, device="cpu")
    assert opened.calibration.errors == pytest.approx(np.sort(again.squared_errors(again.images.split("test").images)))
    assert opened.calibration.errors[-1] != vae_run.calibration.errors[-1]


@pytest.mark.parametrize("changed", [{"scores": [1.0, float("nan")]}, {"distances": [0.0]}, {"mean": []}])
def test_a_file_that_cannot_be_right_is_made_again(copy, vae_run, changed):
    found = open_tensors(copy / NAME, "armoire-outliers-1")
    tensors = found.read() | {name: torch.tensor(value, dtype=torch.float64) for name, value in changed.items()}
    write_tensors(copy / NAME, tensors, found.metadata)
    opened = Wardrobe.open(copy, vae_run.images, device="cpu")
    np.testing.assert_allclose(opened.calibration.scores, vae_run.calibration.scores, rtol=1e-4)
    assert open_tensors(copy / NAME, "armoire-outliers-1").shapes == found.shapes


def test_without_the_data_one_note_says_that_outliers_cannot_be_detected(copy, recorder):
    (copy / NAME).unlink()
    opened = Wardrobe.open(copy, device="cpu", progress=recorder)
    assert opened.calibration is opened.calibration is None
    with pytest.raises(ArmoireError, match=r"what is usual for .* is measured on its data"):
        opened.outliers(np.zeros((1, 16, 16, 1), np.uint8))
    (note,) = recorder.notes
    assert "outliers cannot be detected: " in note and "was trained on an array in memory" in note
    assert not (copy / NAME).exists()
