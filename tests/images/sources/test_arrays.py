"""Arrays as programs save them: labels, attributes and class names next to images."""

from __future__ import annotations

import re

import numpy as np
import pytest
from data_sets import Notes

from armoire import ArmoireError, load_images
from armoire.images import Fit
from armoire.images.grid import to_pil
from armoire.images.sources.arrays import ArrayRows, SplitImages

N = 20
X = np.random.default_rng(0).integers(0, 256, (N, 16, 16, 3), np.uint8)
Y = np.arange(N) % 3
ABC = np.array(["a", "b", "c"])
SEVERAL = (np.arange(N * 4).reshape(N, 4) * 7 // 3) % 2


def load(tmp_path, **arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    notes = Notes()
    images = load_images(tmp_path / "a.npz", 16, progress=notes)
    return images, " ".join(notes.said)


def names(images) -> list[str | None]:
    number = dict(zip(images.ids, images.labels, strict=True))
    return [images.info.classes[number[i]] if number[i] >= 0 else None for i in sorted(images.ids)]


@pytest.mark.parametrize(
    ("arrays", "note"),
    [
        ({"images": X, "labels": Y, "class_names": ABC}, ""),
        ({"images": X, "labels": Y + 1, "class_names": ABC}, "labels: numbers from 1 to 3: 1 is read as the class 'a'"),
        ({"x_train": X, "y": Y[:, None], "classes": ABC}, ""),
        ({"x": X, "y_train": np.eye(3)[Y], "label_names": ABC}, "one-hot rows in y_train"),
        ({"imgs": X, "target": ABC[Y], "class_names": ABC[::-1]}, ""),
        ({"x": X, "labels": Y[None] + 1, "class_names": ABC}, "numbers from 1 to 3"),
        ({"data": X, "classes": Y.astype(float), "meta": ABC}, ""),
        ({"arr_0": X, "arr_1": ABC[Y].astype("S")}, "arr_1 is read as the labels"),
    ],
)
def test_labels(tmp_path, arrays, note):
    images, said = load(tmp_path, **arrays)
    assert names(images) == ABC[Y].tolist()
    assert note in said
    assert note or "not used" not in said


def test_several_classes_per_image_are_attributes(tmp_path):
    images, said = load(
        tmp_path, train_images=X[:15], train_labels=SEVERAL[:15], test_images=X[15:], test_labels=SEVERAL[15:]
    )
    assert images.attributes == [f"labels_{i}" for i in range(4)]
    assert np.array_equal(images.attribute("labels_2") > 0, SEVERAL[:, 2] > 0)
    assert "several classes per image in train_labels and test_labels" in said
    named, _ = load(tmp_path, x=X, findings=SEVERAL, finding_names=np.array(["p", "q", "r", "s"]))
    assert named.attributes == ["p", "q", "r", "s"]


@pytest.mark.parametrize(
    ("arrays", "unused"),
    [
        ({"labels": Y[:-1]}, r"labels \(of shape \(19,\), for 20 images\)"),
        ({"labels": np.random.default_rng(0).random((N, 3))}, r"labels \(of shape \(20, 3\)\)"),
        ({"labels": np.array([*ABC[Y][1:], None], object)}, r"labels \(Python objects; save it"),
        ({"labels_test": Y}, r"labels_test \(of no split that has images\)"),
        ({"y": Y, "labels": Y}, r"labels \(y is read instead\)"),
        ({"y": 1j * Y}, r"y \(of type complex128"),
        ({"labels": Y + 2, "class_names": ABC}, r"class_names \(3 names\)"),
        ({"latents_values": np.ones((N, 6)), "metadata": np.array({"a": 1})}, "latents_values .*metadata|metadata .*"),
    ],
)
def test_arrays_that_are_not_used_are_named(tmp_path, arrays, unused):
    _, said = load(tmp_path, x_train=X, **arrays)
    assert re.search(f"not used: .*{unused}", said)


def test_a_folder_of_arrays_is_read_like_one_file(tmp_path):
    for name, array in {"x_train": X[:15], "y_train": Y[:15], "test/images": X[15:]}.items():
        (tmp_path / "a" / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "a" / f"{name}.npy", array)
    (tmp_path / "a" / "test" / "images.npy").rename(tmp_path / "a" / "test" / "x.npy")
    images = load_images(tmp_path / "a", 16)
    assert images.splits == {"train": 15, "test": 5}
    assert images.labels.tolist() == [*Y[:15], *[-1] * 5]


def test_a_folder_of_one_array_per_image_is_refused(tmp_path):
    for i, image in enumerate(X):
        np.save(tmp_path / f"{i}.npy", image)
    with pytest.raises(ArmoireError, match=r"holds 0, 1, .* and 12 more, and no array called images.*np\.stack"):
        load_images(tmp_path, 16)


def test_one_scale_for_all_splits(tmp_path):
    images, said = load(tmp_path, x_train=X[:15] // 255, x_test=X[15:] // 64)
    assert images.images.max() == 255
    assert images.split("train").images.max() == 85
    assert "x_train and x_test holds uint8 from 0 to 3" in said


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"images": np.array([*X, None], object)}, "images holds Python objects"),
        ({"images": X - 1.5}, "images holds float64 from -1.5"),
        ({"images": X[0]}, "images is an array of .* one image"),
        ({"a": X, "b": X}, "holds a, b, and no array called images"),
        ({"x": ABC[Y]}, "x is an array of"),
    ],
)
def test_refusals_name_the_array(tmp_path, arrays, reason):
    with pytest.raises(ArmoireError, match=rf"a\.npz.*{reason}"):
        load(tmp_path, **arrays)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 32])
@pytest.mark.parametrize("c", [1, 3])
def test_arrays_of_the_wanted_size_are_fitted_as_files_are(channels, size, c):
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, c), np.uint8)
    fit = Fit(size, background=(200, 10, 90), channels=channels)
    source = ArrayRows("arrays", "arrays", "")
    source.splits = [SplitImages(None, images, "images")]
    for image, decode in zip(images, source.read(0, 2), strict=True):
        assert np.array_equal(decode(fit), fit(to_pil(image)))
