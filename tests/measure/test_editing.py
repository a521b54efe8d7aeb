"""Edits of images of known attributes, measured by an attribute classifier."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from half_images import CPU, PaintedWardrobe, halves, true_latents

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.images.imageset import make_table
from armoire.io.files import cache_folder
from armoire.measure.attribute_classifier import (
    balanced_accuracy,
    held_back,
    known_attributes,
    load_attribute_classifier,
    predict,
)
from armoire.measure.editing import interval, leakage_matrix, measure_editing
from armoire.measure.features import Classifier
from armoire.measure.report_tables import edit_summaries, excluded_attributes
from armoire.measure.samples import measure_samples
from armoire.training.batches import Batches


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return halves()


def load_classifier(images: ImageSet):
    """Of images that another test's cache must not provide: its fingerprint is not computed again."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARMOIRE_CACHE", folder)
        return load_attribute_classifier(images, CPU)


@pytest.fixture(scope="module")
def classifier(images):
    return load_classifier(images)


def measure(images, classifier, wardrobe, z=None):
    part = images.split("test")
    return measure_editing(wardrobe, classifier, images, part, true_latents(part) if z is None else z)


@pytest.fixture(scope="module")
def right_way(images, classifier):
    return measure(images, classifier, PaintedWardrobe(left=[1, 0], right=[0, 1]))


def test_attributes_that_the_classifier_cannot_predict_are_left_out(right_way):
    accuracies = right_way["judge"]["balanced_accuracy"]
    assert accuracies["left"] > 0.95
    assert accuracies["right"] > 0.95
    assert accuracies["random"] < 0.65
    assert accuracies["rare"] is None
    assert right_way["left_out"] == ["random", "rare"]
    assert right_way["judge"]["trained_on"] == 540
    assert right_way["retention"]["left"]["value"] > 0.9
    assert right_way["faces"] == 300


def test_the_right_direction_flips_and_leaks_nothing(right_way):
    edits = right_way["methods"]["partial"]["left"]
    last = edits["steps"][-1]
    assert last["flip_rate"]["value"] > 0.9
    assert last["leakage_max"] < 0.4  # of a direction that changes the other too it is four times as much
    assert edits["clean"]["flip_rate"]["value"] > 0.9
    gains = [step["gain"]["value"] for step in edits["steps"]]
    assert gains == sorted(gains)
    there = edits["at_one_spread"]
    assert 0.3 < there["strength"] < 3
    assert there["gain"]["value"] == pytest.approx(1, abs=0.1)
    assert there["leakage"].keys() == {"right"}
    assert there["leakage_mean"]["low"] <= there["leakage"]["right"] <= there["leakage_mean"]["high"]
    assert 10 <= edits["faces"] <= 200


def test_leakage_of_a_direction_that_changes_another_attribute_is_measured(images, classifier, right_way):
    found = measure(images, classifier, PaintedWardrobe(left=[1, 1], right=[0, 1]))
    leaks = found["methods"]["partial"]["left"]["at_one_spread"]["leakage"]["right"]
    assert leaks > 0.5
    assert leaks > 3 * right_way["methods"]["partial"]["left"]["at_one_spread"]["leakage"]["right"]
    clean = found["methods"]["partial"]["left"]["clean"]
    assert clean is None or clean["flip_rate"]["value"] < 0.6
    names, matrix = leakage_matrix(found, "partial")
    assert names == ["left", "right"]
    assert matrix[0, 1] == leaks
    assert np.isnan(np.diag(matrix)).all()
    assert matrix[1, 0] < 0.4


def test_a_direction_that_changes_nothing_has_no_gain(images, classifier):
    edits = measure(images, classifier, PaintedWardrobe(left=[0, 1]))["methods"]["partial"]["left"]
    assert abs(edits["steps"][-1]["gain"]["value"]) < 0.2
    assert edits["steps"][-1]["flip_rate"]["value"] < 0.1
    assert edits["at_one_spread"] is None


def test_edits_are_summarised(right_way):
    lines = edit_summaries(right_way)
    assert list(lines) == ["left", "right"]
    preserved, edits = lines["left"]
    assert preserved.startswith("same prediction for ")
    assert preserved.endswith("% of those with the attribute")
    assert re.search(r"partial flips (9\d|100)% cleanly at", edits)
    assert excluded_attributes(right_way).endswith("rare (too few known)")


def test_retention_of_images_with_the_attribute(images, classifier):
    """A model that makes every left half dark is right about dark halves and loses the bright ones."""
    z = true_latents(images.split("test"))
    z[:, 0] = -2
    found = measure(images, classifier, PaintedWardrobe(left=[1, 0]), z)
    assert found["retention"]["left"]["value"] == pytest.approx(0.5, abs=0.1)
    assert found["retention_with"]["left"]["value"] < 0.02
    assert found["retention"]["right"]["value"] > 0.9  # unchanged, and the classifier errs in 1 to 3 of 100


def test_without_another_attribute_no_edit_is_called_clean(images):
    alone = replace(images, table=images.table.select(["id", "split", "label", "left"]))
    found = measure(alone, load_classifier(alone), PaintedWardrobe(left=[1, 0]))
    edits = found["methods"]["partial"]["left"]
    assert edits["steps"][-1]["flip_rate"]["value"] > 0.9
    assert edits["steps"][-1]["leakage_max"] is None
    assert edits["clean"] is None
    assert "never flips cleanly" in edit_summaries(found)["left"][1]


def test_an_attribute_that_the_classifier_confuses_with_the_target_does_not_count_as_leakage(images):
    twin = images.table.append_column("twin", images.table["left"])
    twins = replace(images, table=twin, info=replace(images.info, fingerprint="twins"))
    edits = measure(twins, load_classifier(twins), PaintedWardrobe(left=[1, 0]))["methods"]["partial"]["left"]
    assert list(edits["confused"]) == ["twin"]
    assert edits["confused"]["twin"] > 0.95
    assert edits["at_one_spread"]["leakage"]["twin"] > 0.8
    assert edits["clean"]["leakage_max"] < 0.5


def test_too_few_images_are_no_error(images):
    few = replace(images, images=images.images[595:602], table=images.table.slice(595, 7))
    classifier = load_classifier(few)
    found = measure(few, classifier, PaintedWardrobe(left=[1, 0]))
    assert found["left_out"] == few.attributes
    assert found["retention"] == {}
    part = few.split("test")
    with pytest.raises(ArmoireError, match="two held-out images or more"):
        measure_samples(PaintedWardrobe(), [Classifier(classifier, few, CPU)], few, part, true_latents(part), 100)


def test_a_rare_attribute_is_predicted_with_balanced_errors(images, monkeypatch):
    """Of 27 images in 540 that have it, most are found."""
    monkeypatch.setattr("armoire.measure.attribute_classifier.RAREST", 0.3)
    brightness = images.images[:, :, :8].mean(axis=(1, 2, 3))
    bright = np.where(brightness > np.quantile(brightness, 0.95), 1, -1).astype(np.int8)
    noisy = np.where(np.random.default_rng(0).random(len(bright)) < 0.03, -bright, bright).astype(np.int8)
    table = make_table(images.ids, images.split_of.tolist(), [None] * len(images), {"bright": noisy})
    rare = replace(images, table=table)
    logits = predict(load_classifier(rare), Batches(images.split("test").images, CPU))
    says, truth = logits[:, 0] > 0, bright[600:] == 1
    assert says[truth].mean() > 0.8


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr("armoire.measure.attribute_classifier.STEPS", 20)


def test_the_classifier_is_cached_and_a_damaged_one_trained_again(images, few_steps, monkeypatch):
    first = load_attribute_classifier(images, CPU)
    (path,) = (cache_folder() / "attribute-classifiers").iterdir()
    content = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("armoire.measure.attribute_classifier._train", None)
        again = load_attribute_classifier(images, CPU)
    assert torch.equal(first.head.weight, again.head.weight)
    path.write_bytes(content[:1000])
    load_attribute_classifier(images, CPU)
    assert path.read_bytes() == content


def test_the_classifier_is_not_trained_on_images_held_back(images, few_steps):
    trained_on = ~held_back(600)
    assert trained_on.sum() == 540
    weights = [load_classifier(images).head.weight]
    for rows in (~trained_on, trained_on):
        pixels = np.array(images.images)
        pixels[:600][rows] = 0
        weights.append(load_classifier(replace(images, images=pixels)).head.weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_predictions_do_not_depend_on_the_batch(images, classifier):
    part = images.split("test").images[:10]
    together = predict(classifier, Batches(part, CPU))
    alone = np.concatenate([predict(classifier, Batches(part[i : i + 1], CPU)) for i in range(10)])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert known_attributes(images).shape == (900, 4)


def test_balanced_accuracy_weighs_both_sides_the_same():
    known = np.array([1] * 10 + [-1] * 90 + [0] * 5, np.int8)
    assert balanced_accuracy(np.zeros(105, bool), known) == 0.5
    assert balanced_accuracy(known > 0, known) == 1
    says = known > 0
    says[:5] = False
    assert balanced_accuracy(says, known) == 0.75
    assert balanced_accuracy(known > 0, np.where(np.arange(105) == 0, 0, known).astype(np.int8)) is None


def test_an_interval_is_that_of_the_mean():
    random = np.random.default_rng(0)
    values = random.normal(3, 2, 400)
    found = interval(values)
    assert found["value"] == pytest.approx(values.mean())
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert interval(np.ones(5)) == {"value": 1, "low": 1, "high": 1}


def test_samples_like_the_data_are_near_and_others_far(images, classifier):
    part = images.split("test")

    def measured(shift: float) -> dict:
        extractors = [Classifier(classifier, images, CPU)]
        return measure_samples(PaintedWardrobe(shift), extractors, images, part, true_latents(part), 500)

    good, bad = measured(0), measured(1.5)
    assert good["n"] == 60  # the training images held back are the fewest
    assert good["fd"] < 3 * good["floor"]["fd"]
    assert bad["fd"] > 3 * good["fd"]
    assert good["drawn_from"] == "N(0, I)"
