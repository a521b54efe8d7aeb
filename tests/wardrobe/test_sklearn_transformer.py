from __future__ import annotations

import gc
import inspect
import io
import pickle
import pickletools
import signal

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import armoire
from armoire.errors import ArmoireError
from armoire.wardrobe.sklearn_transformer import CARRIED, ImagesError, LatentTransformer

SMALL = {"epochs": 1, "latent": 3, "settings": {"channels": [4]}, "random_state": 0, "device": "cpu"}
#: scikit-learn's checks that do not apply, and why.
NOT_FOR_IMAGES = {
    "check_methods_subset_invariance": "one image alone and in a batch: convolutions round differently by some 1e-7",
    "check_methods_sample_order_invariance": "the same image elsewhere in a batch: as above",
}


def small(**changes) -> LatentTransformer:
    return LatentTransformer(**SMALL | changes)


@pytest.fixture(autouse=True)
def quick_prior(monkeypatch):
    """Most of a `fit` of 20 images is that of the prior."""
    monkeypatch.setattr("armoire.priors.neighbours.DRAWS", 100)


# Their tables are of 1 to 20 columns, most of which are no square image.
@pytest.mark.filterwarnings("ignore:.* values are no square image")
@parametrize_with_checks([small()], expected_failed_checks=lambda _: NOT_FOR_IMAGES)
def test_scikit_learns_own_checks(estimator, check, monkeypatch):
    # As for users: `__init__` accepts any value, and `fit` checks it.
    monkeypatch.setattr(LatentTransformer, "__init__", inspect.unwrap(LatentTransformer.__init__))
    check(estimator)


@pytest.fixture(scope="module")
def fitted(pictures) -> LatentTransformer:
    """Not to be changed."""
    return small(epochs=2).fit(pictures(40))


def test_lists_of_images_and_alpha_are_read_as_everywhere(fitted, pictures, tmp_path):
    many = pictures(3)
    for i, image in enumerate(many):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{i}.png")
    alpha = np.concatenate([many, np.full_like(many, 255)], axis=-1)
    paths = [str(tmp_path / f"{i}.png") for i in range(3)]
    forms = [alpha, list(alpha), torch.from_numpy(many), [Image.open(path) for path in paths], paths]
    for form in forms:
        np.testing.assert_allclose(fitted.transform(form), fitted.transform(many), rtol=1e-4, atol=1e-5)
    for wrong in (np.repeat(many, 3, axis=-1).transpose(0, 3, 1, 2), ["nowhere.png"], [many[0], many[0, :9]]):
        with pytest.raises(ImagesError):
            fitted.transform(wrong)


@pytest.mark.parametrize(
    ("shape", "dtype", "high"),
    [
        ((16, 16), np.uint8, 255),
        ((20, 20, 3), np.uint8, 255),
        ((8, 8), np.float64, 16.0),
        ((12, 30, 1), np.float32, 1.0),
        ((33, 17, 3), np.int64, 1000),
        ((9, 9), bool, 1),
    ],
)
@pytest.mark.parametrize("flattened", [False, True])
def test_images_come_back_in_their_own_shape_type_and_range(shape, dtype, high, flattened):
    random = np.random.default_rng(0)
    images = (random.random((20, *shape)) * (high + (dtype not in (np.float64, np.float32)))).astype(dtype)
    given = images.reshape(20, -1) if flattened else images
    model = small(image_shape=shape if flattened else None).fit(given)
    assert model.image_shape_ == (*shape, 1)[:3]
    made = model.inverse_transform(model.transform(given))
    assert made.shape == given.shape
    assert made.dtype == given.dtype
    low, high = model.value_range_
    assert low <= made.min() <= made.max() <= high


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 30, 1), (31, 16, 3), (40, 40, 3)])
def test_padding_is_removed_again(shape, monkeypatch):
    """With a model that reconstructs perfectly the images come back to half a level."""
    images = np.random.default_rng(1).random((20, *shape))
    model = small().fit(images)
    seen = []
    monkeypatch.setattr(
        "armoire.wardrobe.sklearn_transformer.encode_images",
        lambda _model, squares: seen.append(squares) or np.zeros((len(squares), 3)),
    )
    monkeypatch.setattr(model.wardrobe_, "decode", lambda z: seen[-1])
    again = model.inverse_transform(model.transform(images))
    low, high = model.value_range_
    assert np.abs(again - images).max() <= (high - low) / 255 / 2 + 1e-12
    # Padded as its training images were.
    trained_on = {image.tobytes() for image in model.wardrobe_.images.images}
    assert {image.tobytes() for image in seen[0]} == trained_on


def test_the_shape_of_flattened_squares_is_inferred(pictures):
    for channels in (1, 3):
        flat = pictures(20, 16, channels).reshape(20, -1)
        assert small().fit(flat).image_shape_ == (16, 16, channels)


def test_rows_of_no_square_are_laid_out_in_one_with_a_warning():
    with pytest.warns(UserWarning, match=r"77 values are no square image.*9 rows of 9.*image_shape"):
        model = small().fit(np.random.default_rng(0).random((20, 77)))
    assert model.inverse_transform(model.transform(np.zeros((2, 77)))).shape == (2, 77)


def test_settings_reach_the_recipe(pictures):
    model = LatentTransformer(
        "fashion-vae", epochs=1, latent=2, beta=0.5, batch=7, lr=1e-4, random_state=5, settings={"channels": [4, 8]}
    ).fit(pictures(20))
    recipe = model.wardrobe_.recipe
    assert (recipe.name, recipe.dimensions, recipe.beta, recipe.batch, recipe.lr) == ("fashion-vae", 2, 0.5, 7, 1e-4)
    assert (recipe.seed, recipe.channels) == (5, (4, 8))
    with pytest.raises(ArmoireError, match=r"no setting 'chanels'.*did you mean 'channels'"):
        small(settings={"chanels": [4]}).fit(pictures(20))


def test_the_same_random_state_gives_the_same_bits(pictures):
    X = pictures(30)  # noqa: N806
    one, two = (small(random_state=3).fit_transform(X) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, small(random_state=4).fit_transform(X))
    drawn = [small(random_state=np.random.RandomState(1)).fit(X).wardrobe_.recipe.seed for _ in range(2)]
    assert drawn[0] == drawn[1] > 0
    np.random.seed(0)  # noqa: NPY002
    unlike = [small(random_state=None).fit(X).wardrobe_.recipe.seed for _ in range(2)]
    assert unlike[0] != unlike[1]


def test_data_frames_in_and_out(fitted, pictures):
    names = [f"latenttransformer{i}" for i in range(3)]
    assert list(fitted.get_feature_names_out()) == names
    pixels = pd.DataFrame(pictures(20).reshape(20, -1), columns=[f"pixel{i}" for i in range(256)])
    model = small().set_output(transform="pandas").fit(pixels)
    assert list(model.feature_names_in_) == list(pixels.columns)
    assert list(model.transform(pixels).columns) == names
    with pytest.raises(ValueError, match="feature names"):
        model.transform(pixels.rename(columns={"pixel0": "other"}))


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_in_a_pipeline_and_a_grid_search(pictures, backend):
    """With threads, and with processes, to which estimators are pickled."""
    dark = pictures(20) // 4
    X, y = np.concatenate([dark, 255 - dark]).reshape(40, -1), np.repeat([0, 1], 20)  # noqa: N806
    pipeline = make_pipeline(small(), StandardScaler(), LogisticRegression())
    grid = {"latenttransformer__latent": np.array([2, 4]), "latenttransformer__epochs": [np.int64(2)]}
    with joblib.parallel_config(backend):
        found = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    assert found.best_score_ > 0.9
    assert found.best_estimator_[0].wardrobe_.recipe.dimensions == found.best_params_["latenttransformer__latent"]
    assert found.score(X, y) > 0.8


def test_a_pickle_holds_files_and_no_tensors(fitted, pictures):
    content = pickle.dumps(fitted)
    named = {argument for op, argument, _ in pickletools.genops(content) if op.name in ("GLOBAL", "SHORT_BINUNICODE")}
    assert not any("torch" in str(name) for name in named)
    again = pickle.load(io.BytesIO(content))
    np.testing.assert_array_equal(again.transform(pictures(7)), fitted.transform(pictures(7)))
    assert {path.name for path in again.wardrobe_.run.path.iterdir()} == set(CARRIED)
    assert pickle.loads(pickle.dumps(again)).wardrobe_.recipe == fitted.wardrobe_.recipe


def test_a_changed_pickle_is_reported_as_damaged(fitted):
    state = fitted.__getstate__()
    weights = state["wardrobe_"]["model.safetensors"]
    state["wardrobe_"]["model.safetensors"] = weights[:-1] + bytes([weights[-1] ^ 1])
    with pytest.raises(ArmoireError, match="damaged"):
        LatentTransformer().__setstate__(state)


def test_a_temporary_run_is_deleted_with_its_wardrobe(pictures):
    model = small().fit(pictures(20))
    wardrobe = model.wardrobe_
    folder = wardrobe.run.path
    model.fit(pictures(20))
    assert folder.is_dir()
    del wardrobe
    gc.collect()
    assert not folder.parent.exists()


def test_a_failed_fit_leaves_no_files_and_the_model_before(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = small().fit(pictures(20))
    before = model.wardrobe_
    with pytest.raises(ArmoireError):
        model.set_params(settings={"channels": [4] * 7}).fit(pictures(20))
    assert model.wardrobe_ is before
    assert list(tmp_path.iterdir()) == [before.run.path.parent]


def test_a_run_can_be_written_to_a_folder(pictures, tmp_path):
    out = tmp_path / "run"
    model = small(out=out).fit(pictures(20))
    z = model.transform(pictures(4))
    with pytest.raises(ArmoireError, match="already holds something; give another `out`"):
        model.fit(pictures(20))
    del model
    gc.collect()
    np.testing.assert_array_equal(armoire.Wardrobe.open(out, device="cpu").encode(pictures(4)), z)


def test_ctrl_c_ends_a_whole_search(pictures, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise armoire.TrainingInterruptedError("stopped by SIGINT")

    monkeypatch.setattr("armoire.wardrobe.sklearn_transformer.train", interrupted)
    with pytest.raises(KeyboardInterrupt, match="SIGINT"):
        GridSearchCV(make_pipeline(small(), LogisticRegression()), {}, cv=2).fit(pictures(20), [0, 1] * 10)


@pytest.mark.parametrize(
    ("changes", "images", "message"),
    [
        ({"value_range": (0, 16)}, np.full((9, 64), 17.0), "values from 17 to 17, and value_range is 0 to 16"),
        ({"value_range": (1, 1)}, np.ones((9, 64)), "the smaller first"),
        ({"image_shape": (8, 9)}, np.ones((9, 64)), "have 72 values, and X has 64"),
        ({"image_shape": (8, 4, 2)}, np.ones((9, 64)), r"c 1 or 3, not \(8, 4, 2\)"),
        ({"image_shape": (8, 8)}, np.ones((9, 4, 16)), r"image_shape is \(8, 8\); leave it out"),
        ({}, np.ones((1, 64)), "minimum of 2 is required"),
        ({}, np.full((9, 64), np.nan), "NaN"),
        ({}, np.array([["a"] * 64] * 9), "numeric values"),
    ],
)
def test_unsuitable_images_are_value_errors(changes, images, message):
    with pytest.raises(ValueError, match=message):
        small(**changes).fit(images)


def test_images_unlike_the_training_images_are_refused(fitted, pictures):
    with pytest.raises(ImagesError, match=r"images of \(8, 32\), and fit saw \(16, 16, 1\)"):
        fitted.transform(np.zeros((2, 8, 32), np.uint8))
    with pytest.raises(ValueError, match="expecting 256 features"):
        fitted.transform(np.zeros((2, 32, 32), np.uint8))
    with pytest.raises(ValueError, match="X has 2 features, and the latent space 3 dimensions"):
        fitted.inverse_transform(np.zeros((2, 2)))
    with pytest.warns(UserWarning, match=r"values from 0 to \d{5}, and fit saw 0 to 255"):
        fitted.transform(pictures(4).astype(np.uint16) * 257)
    for divided in (pictures(4) / 255, pictures(4) / 127.5 - 1):
        with pytest.warns(UserWarning, match="and fit saw 0 to 255; are they scaled alike"):
            fitted.transform(divided)


def test_values_past_the_range_are_clipped(fitted, pictures):
    bright = np.full((1, 16, 16), 255, np.uint8)
    np.testing.assert_array_equal(fitted.transform(bright.astype(float) + 9), fitted.transform(bright))


def test_nothing_global_is_touched(pictures):
    before, threads = np.random.get_state()[1].copy(), torch.get_num_threads()  # noqa: NPY002
    handler = signal.getsignal(signal.SIGINT)
    small().fit_transform(pictures(20))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert (signal.getsignal(signal.SIGINT), torch.get_num_threads()) == (handler, threads)
