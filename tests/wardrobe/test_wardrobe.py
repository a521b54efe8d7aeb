from __future__ import annotations

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from scipy.stats import kstest

from armoire import Wardrobe, train
from armoire.errors import ArmoireError
from armoire.images import from_array, open_image
from armoire.io.tables import read_table
from armoire.model import to_unit
from armoire.priors import Box, StandardNormal
from armoire.wardrobe import Latents, encode_set


@pytest.fixture
def copy(vae_run, tmp_path):
    return shutil.copytree(vae_run.run.path, tmp_path / "run")


def unit(pixels: np.ndarray) -> torch.Tensor:
    return to_unit(torch.from_numpy(np.array(pixels)))


@pytest.mark.parametrize("kind", ["vae_run", "ae_run"])
def test_encode_gives_posterior_means_and_decode_the_reconstruction(kind, request, pictures):
    wardrobe, x = request.getfixturevalue(kind), unit(pictures(5))
    z = wardrobe.encode(pictures(5))
    made = wardrobe.decode(z)
    assert (z.shape, z.dtype) == ((5, 2), np.float32)
    assert (made.shape, made.dtype) == ((5, 16, 16, 1), np.uint8)
    with torch.no_grad():
        np.testing.assert_allclose(z, wardrobe.model.encode(x).mean.numpy(), rtol=1e-5, atol=1e-6)
        expected = wardrobe.model(x).permute(0, 2, 3, 1).numpy() * 255
    assert np.abs(made - expected).max() <= 0.5 + 1e-3
    assert made.std() > 0


def test_encoding_does_not_depend_on_the_batch(vae_run, pictures, monkeypatch):
    monkeypatch.setattr("armoire.wardrobe.latents.EVALUATION_BATCH", 3)
    z = vae_run.encode(pictures(8))
    alone = np.concatenate([vae_run.encode(pictures(8)[i : i + 1]) for i in range(8)])
    np.testing.assert_allclose(z, alone, rtol=1e-4, atol=1e-5)
    assert len(vae_run.decode(z)) == 8


def test_one_image_or_none_can_be_encoded_and_decoded(vae_run, pictures):
    np.testing.assert_array_equal(vae_run.encode(pictures(1)[0]), vae_run.encode(pictures(1)))
    assert vae_run.encode(np.empty((0, 16, 16, 1), np.uint8)).shape == (0, 2)
    assert vae_run.decode(np.empty((0, 2), np.float32)).shape[0] == 0


def test_images_of_another_size_are_resized(vae_run, pictures):
    large = pictures(3, size=48)
    expected = np.stack([vae_run.fit(Image.fromarray(image[..., 0])) for image in large])
    assert np.array_equal(vae_run.preprocess(large), expected)
    np.testing.assert_array_equal(vae_run.encode(large), vae_run.encode(expected))
    colour = Image.fromarray(pictures(1, size=40, channels=3)[0])
    assert vae_run.encode(colour).shape == (1, 2)
    assert vae_run.encode([colour, colour.convert("L")]).shape == (2, 2)


@pytest.mark.parametrize("mode", ["P", "I;16", "LA", "RGBA", "1", "CMYK"])
def test_an_image_in_memory_and_one_in_a_file_are_prepared_alike(vae_run, tmp_path, mode):
    shade = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (24, 1))
    if mode == "I;16":
        image = Image.fromarray(shade.astype(np.uint16) * 256)
    else:
        image = Image.fromarray(shade).convert("RGB").convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(128)
    image.save(tmp_path / "a.tiff")
    assert np.array_equal(vae_run.preprocess(image)[0], open_image(tmp_path / "a.tiff", vae_run.fit))


def test_an_image_in_memory_is_turned_upright(vae_run, tmp_path):
    image = Image.fromarray(np.tile(np.arange(0, 256, 16, dtype=np.uint8), (16, 1)))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as opened:
        opened.load()
        assert np.array_equal(vae_run.preprocess(opened)[0, ..., 0], np.rot90(np.asarray(image), -1))


def test_latents_parquet_holds_the_posterior_of_every_image(vae_run, ae_run):
    latents, images = vae_run.latents, vae_run.images
    assert latents.ids == images.ids
    assert np.array_equal(latents.labels, images.labels)
    np.testing.assert_allclose(latents.mean, vae_run.encode(images.images), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        expected = vae_run.model.encode(unit(images.images)).log_var.numpy()
    np.testing.assert_allclose(latents.log_var, expected, rtol=1e-4, atol=1e-5)
    table = pq.read_table(vae_run.run.path / "latents.parquet")
    assert table.column_names == ["id", "split", "label", "mean_0", "mean_1", "log_var_0", "log_var_1"]
    assert [str(t) for t in table.schema.types] == ["string", "string", "int32"] + ["float"] * 4
    assert table.num_rows == 50
    points = pq.read_table(ae_run.run.path / "latents.parquet")
    assert points.column_names == ["id", "split", "label", "mean_0", "mean_1"]
    assert ae_run.latents.log_var is None


def test_latents_written_and_read_are_the_same(vae_run, tmp_path):
    vae_run.latents.write(tmp_path / "l.parquet", {"a": "b"})
    table = read_table(tmp_path / "l.parquet")
    again = Latents.from_table(table)
    assert table.schema.metadata == {b"a": b"b"}
    assert again.table.equals(vae_run.latents.table)
    test = again.split("test")
    assert len(test) == 10
    assert np.array_equal(test.mean, vae_run.latents.mean[40:])
    assert np.array_equal(test.log_var, vae_run.latents.log_var[40:])
    assert again.first(3).ids == again.ids[:3]


def test_rows_are_described_by_id_split_and_class(vae_run):
    latents = vae_run.latents
    assert latents.describe(np.array([41, 0]), ("a", "b", "c")) == [
        {"id": "0041", "split": "test", "label": "c"},
        {"id": "0000", "split": "train", "label": "a"},
    ]
    assert [row["label"] for row in latents.describe(np.array([2, 1]), ())] == ["2", "1"]


def test_a_table_without_latents_is_refused(discs):
    with pytest.raises(ValueError, match="has no latents"):
        Latents.from_table(discs().table)


def test_latents_are_cached_and_those_of_other_weights_encoded_again(copy, vae_run, tiny, discs, recorder):
    images = discs()
    train(tiny(epochs=3, schedule="constant"), images, copy.parent / "other", device="cpu")
    shutil.copy(copy.parent / "other" / "latents.parquet", copy / "latents.parquet")
    opened = Wardrobe.open(copy, images, device="cpu", progress=recorder)
    np.testing.assert_allclose(opened.latents.mean, vae_run.latents.mean, rtol=1e-5, atol=1e-6)
    assert recorder.titles == ["encoding"]
    again = Wardrobe.open(copy, device="cpu", progress=recorder)
    assert np.array_equal(again.latents.mean, opened.latents.mean)
    assert recorder.titles == ["encoding"]


def test_a_limit_limits_the_training_latents_only(tmp_path, tiny, discs):
    wardrobe = train(tiny(limit=8, epochs=1), discs(), tmp_path / "run", device="cpu")
    drawn = discs().split("train").draw(8, wardrobe.recipe.seed).ids
    assert wardrobe.latents.ids == [*drawn, *(f"{i:04d}" for i in range(40, 50))]
    np.testing.assert_allclose(
        wardrobe.latents.split("test").mean, wardrobe.encode(discs().split("test").images), rtol=1e-4, atol=1e-5
    )


def test_an_array_in_memory_must_be_given_again(copy):
    (copy / "latents.parquet").unlink()
    with pytest.raises(ArmoireError, match="was trained on an array in memory"):
        Wardrobe.open(copy, device="cpu").latents


def folder_of(pictures, root, n=30, channels=1):
    root.mkdir()
    for i, image in enumerate(pictures(n, channels=channels, seed=3)):
        Image.fromarray(image[..., 0] if channels == 1 else image).save(root / f"{i:02d}.png")
    return root


@pytest.mark.parametrize("channels", [1, 3])
def test_a_run_on_a_folder_loads_its_data_again(tmp_path, tiny, pictures, channels):
    folder = folder_of(pictures, tmp_path / "photos", channels=channels)
    recipe = tiny("images-vae", epochs=1, latent=2)
    wardrobe = train(recipe, folder, tmp_path / "run", device="cpu", size=16)
    opened = Wardrobe.open(tmp_path / "run", device="cpu")
    assert opened.images.info.fingerprint == wardrobe.images.info.fingerprint
    assert opened.images.shape == (16, 16, channels)
    assert "photos" in repr(opened)
    (folder / "new.png").write_bytes((folder / "00.png").read_bytes())
    with pytest.raises(ArmoireError, match="has changed since"):
        Wardrobe.open(tmp_path / "run", device="cpu").images


def test_broken_files_are_counted_and_named_in_the_run(tmp_path, tiny, pictures, recorder):
    folder = folder_of(pictures, tmp_path / "photos")
    (folder / "broken.png").write_text("hello")
    train(tiny("images-vae", epochs=1), folder, tmp_path / "run", device="cpu", size=16, progress=recorder)
    (note,) = [note for note in recorder.notes if "could not be read" in note]
    assert "30 images of 31 files; 1 could not be read" in note
    assert (tmp_path / "run" / "rejected.csv").read_text().splitlines()[1].startswith('broken.png,"not a JPEG')


def test_an_array_can_be_trained_on(tmp_path, tiny, pictures):
    wardrobe = train(tiny("fashion-ae", epochs=1), pictures(40), tmp_path / "run", device="cpu")
    assert from_array(pictures(40)).info.fingerprint == wardrobe.run.data.fingerprint


def test_a_recipe_without_data_asks_for_some(tiny):
    with pytest.raises(ArmoireError, match="brings no data of its own; give some with --data"):
        train(tiny("images-vae"))


def test_samples_repeat_with_the_seed_and_follow_the_prior(vae_run, ae_run):
    z = vae_run.sample(2000, seed=1)
    assert (z.shape, z.dtype) == ((2000, 2), np.float32)
    assert np.array_equal(z, vae_run.sample(2000, seed=1))
    assert not np.array_equal(z, vae_run.sample(2000, seed=2))
    assert all(kstest(z[:, k], "norm").pvalue > 1e-3 for k in range(2))
    box, held_out = ae_run.sample(2000), ae_run.latents.split("test").mean
    low, high = held_out.min(axis=0), held_out.max(axis=0)
    assert all(kstest((box[:, k] - low[k]) / (high[k] - low[k]), "uniform").pvalue > 1e-3 for k in range(2))
    assert vae_run.prior().name == "N(0, I)"
    assert isinstance(vae_run.prior("box"), Box)
    assert isinstance(ae_run.prior("normal"), StandardNormal)
    with pytest.raises(ArmoireError, match="no prior 'norml'; did you mean 'normal'"):
        vae_run.sample(2, prior="norml")


def test_a_program_may_change_its_working_directory(copy, tmp_path, monkeypatch):
    monkeypatch.chdir(copy.parent)
    wardrobe = Wardrobe.open(copy.name)
    assert f"'{copy.name}'" in repr(wardrobe)
    monkeypatch.chdir(tmp_path)
    assert wardrobe.latents.mean.shape[1] == 2 and wardrobe.run.history


def test_other_data_are_resized_like_the_training_data(tmp_path, tiny, pictures):
    folder, other = folder_of(pictures, tmp_path / "a"), folder_of(pictures, tmp_path / "b", n=5, channels=3)
    wardrobe = train(tiny("images-vae", epochs=1, latent=2), folder, tmp_path / "run", device="cpu", size=16)
    loaded = wardrobe.load(other)
    assert loaded.shape == (16, 16, 1)
    assert encode_set(wardrobe.model, loaded).mean.shape == (5, 2)


def test_data_of_another_shape_are_refused(vae_run, discs, monkeypatch):
    monkeypatch.setattr("armoire.wardrobe.data.load", lambda *_: discs(size=32))
    with pytest.raises(ArmoireError, match=r"contains images of \(32, 32, 1\), but .* was trained on \(16, 16, 1\)"):
        vae_run.load("fashion-mnist")


def test_wrong_data_given_at_opening_are_refused_and_change_nothing(copy, vae_run, discs):
    (copy / "latents.parquet").unlink()
    with pytest.raises(ArmoireError, match=r"others is not what .* was trained on"):
        Wardrobe.open(copy, discs(seed=9, name="others"), device="cpu").latents
    again = Wardrobe.open(copy, vae_run.images, device="cpu").latents
    np.testing.assert_allclose(again.mean, vae_run.latents.mean, rtol=1e-5, atol=1e-6)
