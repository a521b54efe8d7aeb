from __future__ import annotations

from dataclasses import replace
from typing import get_args, get_type_hints

import numpy as np
import pyarrow as pa
import pytest

from armoire import Wardrobe, train
from armoire.errors import ArmoireError
from armoire.images import Fit, ImageSet, SetInfo
from armoire.images.imageset import fingerprint, make_table
from armoire.wardrobe import METHODS
from armoire.wardrobe.directions import fit_directions, other_direction


@pytest.fixture(scope="module")
def world():
    """4,000 latents in 12 dimensions made by two attributes that go together, each along a vector of its own."""
    random = np.random.default_rng(3)
    n, d = 4000, 12
    truth = random.normal(size=(2, d))
    smile = random.random(n) < 0.5
    lipstick = np.where(random.random(n) < 0.8, smile, ~smile)
    y = np.where(np.stack([smile, lipstick], axis=1), 1, -1)
    z = y @ truth + 0.5 * random.normal(size=(n, d)) + 3
    known = {"Smiling": y[:, 0].astype(np.int8), "Wearing_Lipstick": y[:, 1].astype(np.int8)}
    return z.astype(np.float32), known, truth / np.linalg.norm(truth, axis=1, keepdims=True)


def cosines(found, truth) -> list[float]:
    return [float(found[name].vector @ u) for name, u in zip(("Smiling", "Wearing_Lipstick"), truth, strict=True)]


def test_partial_finds_what_each_attribute_does_alone(world):
    z, known, truth = world
    assert min(cosines(fit_directions(z, known, "partial"), truth)) > 0.99
    # The difference of means carries the other attribute along: that is what partial is for.
    assert min(cosines(fit_directions(z, known, "difference"), truth)) < 0.9


def test_partial_finds_it_where_most_labels_are_missing(world):
    z, known, truth = world
    missing = np.random.default_rng(0).random(len(z)) < 0.8
    fewer = known | {"Wearing_Lipstick": np.where(missing, 0, known["Wearing_Lipstick"]).astype(np.int8)}
    found = fit_directions(z, fewer, "partial")
    assert min(cosines(found, truth)) > 0.98
    assert found["Wearing_Lipstick"].positives + found["Wearing_Lipstick"].negatives == (~missing).sum()
    assert found["Smiling"].positives == (known["Smiling"] == 1).sum()


def test_logistic_separates_best(world):
    z, known, _ = world
    right = {}
    for method in METHODS:
        projection = z @ fit_directions(z, known, method)["Smiling"].vector
        middle = (projection[known["Smiling"] == 1].mean() + projection[known["Smiling"] == -1].mean()) / 2
        right[method] = ((projection > middle) == (known["Smiling"] == 1)).mean()
    assert right["logistic"] >= max(right.values())
    assert right["logistic"] > 0.99


@pytest.mark.parametrize("method", METHODS)
def test_a_strength_of_one_is_one_standard_deviation(world, method):
    z, known, _ = world
    found = fit_directions(z, known, method)["Smiling"]
    assert found.vector.dtype == np.float32
    assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-6)
    assert found.scale == pytest.approx((z @ found.vector).std(), rel=1e-4)
    moved = found.move(z[:5], -2)
    np.testing.assert_allclose((moved - z[:5]) @ found.vector, -2 * found.scale, rtol=1e-4)
    np.testing.assert_array_equal(found.move(z[:5], 0), z[:5])


@pytest.mark.parametrize("method", METHODS)
def test_intervals_narrow_with_the_number_of_images(world, method):
    z, known, _ = world
    many = fit_directions(z, known, method)["Smiling"]
    few = fit_directions(z[:60], {name: y[:60] for name, y in known.items()}, method)["Smiling"]
    for found in (many, few):
        assert found.separation_low < found.separation < found.separation_high
        assert 0 < found.steadiness < 1
    assert many.separation_high - many.separation_low < 0.3 * (few.separation_high - few.separation_low)
    assert few.steadiness < many.steadiness
    assert many.steadiness > 0.98


def test_one_newton_step_is_as_good_as_fitting_again(world):
    """The bootstrap of `logistic` is as wide as one that fits each resample to the end."""
    from sklearn.linear_model import LogisticRegression

    z, known, _ = world
    z, y = z[:600], known["Smiling"][:600]
    z = z + 4 * np.random.default_rng(1).normal(size=z.shape).astype(np.float32)  # so that the two overlap
    found = fit_directions(z, {"Smiling": y}, "logistic")["Smiling"]
    random, again = np.random.default_rng(0), []
    for _ in range(100):
        rows = random.integers(0, len(z), len(z))
        normal = LogisticRegression(class_weight="balanced", max_iter=1000).fit(z[rows], y[rows]).coef_[0]
        again.append(normal @ found.vector / np.linalg.norm(normal))
    assert 1 - found.steadiness == pytest.approx(1 - np.quantile(again, 0.025), rel=0.25)


def test_attributes_of_too_few_images_are_left_out(world):
    z, known, _ = world
    rare = np.full(len(z), -1, np.int8)
    rare[:9] = 1
    assert set(fit_directions(z, known | {"Bald": rare}, "partial")) == set(known)
    rare[9] = 1
    assert fit_directions(z, known | {"Bald": rare}, "partial")["Bald"].positives == 10


def test_a_rare_attribute_keeps_a_direction_of_its_own(world):
    """Rarity is not collinearity: thirty images of four thousand are enough."""
    z, known, truth = world
    random = np.random.default_rng(4)
    own = random.normal(size=z.shape[1])
    rare = np.where(np.arange(len(z)) % 133 == 5, 1, -1)
    with_it = (z + (rare > 0)[:, None] * 6 * own).astype(np.float32)
    found = fit_directions(with_it, known | {"Bald": rare.astype(np.int8)}, "partial")["Bald"]
    assert found.positives < 32
    assert found.vector @ own / np.linalg.norm(own) > 0.95
    assert abs(found.vector @ truth[0]) < 0.6


def test_an_attribute_and_its_opposite_share_a_direction(world):
    z, known, truth = world
    found = fit_directions(z, known | {"Serious": -known["Smiling"]}, "partial")
    assert found["Smiling"].vector @ found["Serious"].vector == pytest.approx(-1, abs=1e-4)
    assert found["Smiling"].vector @ truth[0] > 0.99


@pytest.fixture(scope="module")
def bright(pictures):
    """Discs that are `bright` or not, and `rare` in three of sixty; ten of them held out."""
    images = pictures(70)
    attributes = {
        "bright": np.where(images.max(axis=(1, 2, 3)) > 167, 1, -1).astype(np.int8),
        "rare": np.where(np.arange(70) < 3, 1, -1).astype(np.int8),
    }
    table = make_table([f"{i:02d}" for i in range(70)], ["train"] * 60 + ["test"] * 10, [None] * 70, attributes)
    fit = Fit(16, background=(0, 0, 0), channels=1)
    return ImageSet(images, table, SetInfo("discs", "", fit, (), fingerprint(images, table)))


@pytest.fixture
def wardrobe(tiny, bright, tmp_path):
    return train(tiny(), bright, tmp_path / "run", device="cpu")


def test_a_direction_is_fitted_to_training_images_alone(wardrobe, bright):
    found = wardrobe.direction("bright", method="difference")
    z, y = wardrobe.latents.split("train").mean, bright.split("train").attribute("bright")
    assert (found.positives, found.negatives) == ((y == 1).sum(), (y == -1).sum())
    expected = z[y == 1].mean(axis=0) - z[y == -1].mean(axis=0)
    np.testing.assert_allclose(found.vector, expected / np.linalg.norm(expected), atol=1e-5)


def test_directions_are_cached_in_the_run(wardrobe, bright, monkeypatch):
    found = wardrobe.direction("bright", method="logistic")
    assert (wardrobe.run.path / "directions" / "logistic.parquet").is_file()
    monkeypatch.setattr("armoire.wardrobe.wardrobe.fit_directions", None)
    again = Wardrobe.open(wardrobe.run.path, bright).direction("bright", method="logistic")
    np.testing.assert_array_equal(again.vector, found.vector)
    assert (again.scale, again.separation, again.steadiness) == (found.scale, found.separation, found.steadiness)


def test_the_command_line_knows_every_method():
    from armoire.cli.edit import edit
    from armoire.figures import attributes

    assert get_args(get_type_hints(edit)["method"]) == METHODS == tuple(attributes.METHODS)


def test_an_impossible_direction_is_an_error_of_one_sentence(wardrobe, vae_run):
    with pytest.raises(ArmoireError, match=r"no column 'brigth' in discs; did you mean 'bright'\?"):
        wardrobe.direction("brigth")
    with pytest.raises(ArmoireError, match=r"rare holds for 3 and does not for 57 of the labelled .* at least 10"):
        wardrobe.direction("rare")
    with pytest.raises(ArmoireError, match=r"no method 'partail'; did you mean 'partial'\?"):
        wardrobe.direction("bright", method="partail")
    with pytest.raises(ArmoireError, match=r"has no attributes; .* \(there is: a, b, c\), or .*, axis-1 to axis-2"):
        vae_run.direction("bright")
    for name in ("axis-0", "axis-3", "axis-", "axis-01", "axis-x", "axis"):
        with pytest.raises(ArmoireError, match="which has no attributes"):
            vae_run.direction(name)


def test_the_direction_of_a_class_is_against_all_others(vae_run):
    train = vae_run.latents.split("train")
    found = vae_run.direction("b", method="difference")
    is_b = train.labels == 1
    assert (found.attribute, found.method) == ("b", "difference")
    assert (found.positives, found.negatives) == (int(is_b.sum()), int((~is_b).sum()))
    assert found.separation > 0
    difference = train.mean[is_b].mean(axis=0) - train.mean[~is_b].mean(axis=0)
    np.testing.assert_allclose(found.vector, difference / np.linalg.norm(difference), atol=1e-4)


def test_images_without_a_label_are_not_used_for_a_class(vae_run):
    train = vae_run.latents.split("train")
    table = train.table.set_column(2, "label", pa.array([None] * 10 + train.labels[10:].tolist(), pa.int32()))
    found = other_direction(replace(train, table=table), "b", "difference", vae_run.run)
    assert found.positives + found.negatives == len(train) - 10


def test_an_axis_is_a_direction_of_largest_variance(vae_run):
    z = vae_run.latents.split("train").mean
    values, vectors = np.linalg.eigh(np.cov(z.T))
    for k in (1, 2):
        axis = vae_run.direction(f"axis-{k}")
        assert abs(axis.vector @ vectors[:, -k]) == pytest.approx(1, abs=1e-4)
        assert axis.scale == pytest.approx(np.sqrt(values[-k]), rel=0.02)
        assert axis.positives + axis.negatives == len(z)
        assert axis.separation_low <= axis.separation <= axis.separation_high
        assert np.isnan(axis.steadiness)
    assert vae_run.direction("axis-1").move(z[:1], 2.0).shape == (1, 2)
