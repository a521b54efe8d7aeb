from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from armoire import train
from armoire.errors import ArmoireError
from armoire.images import Fit, ImageSet, SetInfo, from_array
from armoire.images.columns import Role
from armoire.images.grid import image_grid
from armoire.images.imageset import drawn_rows, fingerprint, make_table
from armoire.images.listing import Ignored
from armoire.images.reading import Reading
from armoire.images.store import open_store, write_store


def test_splits_and_slices(discs):
    images = discs()
    assert len(images) == 50
    assert images.shape == (16, 16, 1)
    assert images.splits == {"train": 40, "test": 10}
    assert images.held_out == "test"
    test = images.split("test")
    assert test.ids == [f"{i:04d}" for i in range(40, 50)]
    assert np.array_equal(test.images, images.images[40:])
    assert len(images[45:100]) == 5
    assert len(images[10:5]) == 0


def test_drawn_images_are_of_all_classes_and_depend_on_the_seed(discs):
    labels = np.repeat([0, 1, 2, 3], [500, 300, 195, 5])
    rows = drawn_rows(labels, 100, seed=1)
    assert (np.diff(rows) > 0).all()
    assert np.abs(np.bincount(labels[rows]) - [50, 30, 20, 1]).max() <= 1
    assert rows.max() > 900
    assert np.array_equal(rows, drawn_rows(labels, 100, seed=1))
    assert not np.array_equal(rows, drawn_rows(labels, 100, seed=2))
    images = discs()
    assert len(images.draw(7)) == 7
    assert images.draw(None) is images


def test_an_unknown_split_is_told(discs):
    with pytest.raises(ArmoireError, match="no split 'tests' in discs; did you mean 'test'"):
        discs().split("tests")
    with pytest.raises(ArmoireError, match="no split 'valid'"):
        discs().split("valid")


def test_a_fingerprint_changes_with_a_pixel_a_split_a_label_and_a_shape(discs):
    images = discs(n=6, test=2)
    base = fingerprint(images.images, images.table)
    assert fingerprint(images.images.copy(), images.table) == base
    assert fingerprint(np.asfortranarray(images.images), images.table) == base
    pixel = images.images.copy()
    pixel[3, 5, 7, 0] ^= 1
    splits, labels = images.split_of.tolist(), images.labels.tolist()
    others = [
        fingerprint(pixel, images.table),
        fingerprint(images.images, make_table(images.ids, ["train"] * 7 + ["test"], labels)),
        fingerprint(images.images, make_table(images.ids, splits, [2, *labels[1:]])),
        fingerprint(images.images, make_table(["x", *images.ids[1:]], splits, labels)),
        fingerprint(images.images.reshape(8, 8, 32, 1), images.table),
    ]
    assert len({base, *others}) == 6


def test_a_store_gives_back_what_was_written(discs, tmp_path):
    images = discs(n=6, test=2)
    order = np.array([4, 2, 0])
    table = make_table(["e", "c", "a"], ["train", "train", "test"], [1, None, 0])
    reading = Reading((Role("breed", "label"),), ("a note",), (Ignored("bad, name", "why"),), (Ignored("x", ""),))
    built = write_store(tmp_path / "s", images.images, table, images.info, reading, order)
    opened = open_store(tmp_path / "s")
    assert np.array_equal(opened.images, images.images[order])
    assert opened.table == table
    assert opened.info == built.info
    assert opened.reading == reading
    assert opened.labels.tolist() == [1, -1, 0]
    assert opened.describe()["labels"] == {"a": 1, "b": 1, "c": 0}
    assert (tmp_path / "s" / "rejected.csv").read_text() == 'name,reason\n"bad, name",why\n'
    assert not opened.images.flags.writeable


def test_an_array_becomes_a_set(pictures):
    array, labels = pictures(60), np.arange(60) % 4
    images = from_array(array, labels, ("a", "b", "c", "d"))
    assert set(images.splits) == {"train", "test"}
    assert images.split_of.tolist() == sorted(images.split_of, reverse=True)
    for name, pixels, label in zip(images.ids, images.images, images.labels, strict=True):
        assert np.array_equal(pixels, array[int(name)])
        assert label == labels[int(name)]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 16, 16, 1)),
        np.zeros((4, 16, 16, 5), np.uint8),
        np.zeros((4, 16, 20, 1), np.uint8),
        np.zeros((4, 8, 8, 1), np.uint8),
        np.zeros((4, 512, 512, 1), np.uint8),
        np.zeros((16, 16), np.uint8),
        np.zeros((0, 16, 16, 1), np.uint8),
        np.zeros((1, 16, 16, 1), np.uint8),
    ],
)
def test_an_array_that_will_not_do_is_told(array):
    with pytest.raises(ArmoireError):
        from_array(array)


@given(n=st.integers(1, 12), columns=st.integers(1, 15), channels=st.sampled_from([1, 3]))
def test_a_grid_has_every_image_at_its_position(n, columns, channels):
    images = np.random.default_rng(n).integers(0, 255, (n, 5, 4, channels), dtype=np.uint8)
    sheet = image_grid(images, columns, gap=2)
    wide = min(columns, n)
    assert sheet.shape == (-(-n // wide) * 7 - 2, wide * 6 - 2, channels)
    for i, image in enumerate(images):
        top, left = i // wide * 7, i % wide * 6
        assert np.array_equal(sheet[top : top + 5, left : left + 4], image)
    assert (sheet == 255).sum() == sheet.size - images.size


def test_splits_that_are_mixed_are_kept_apart(pictures):
    """However a set came about, its training images are no others."""
    images = pictures(9)
    table = make_table([str(i) for i in range(9)], ["train", "test", "train"] * 3, [None] * 9)
    mixed = ImageSet(images, table, SetInfo("mixed", "", Fit(16, channels=1)))
    assert mixed.split("train").ids == ["0", "2", "3", "5", "6", "8"]
    assert np.array_equal(mixed.split("train").images, images[[0, 2, 3, 5, 6, 8]])
    assert np.array_equal(mixed.split("test").images, images[[1, 4, 7]])


def test_a_store_whose_pixels_were_changed_is_told(discs, tmp_path):
    images = discs()
    store = write_store(tmp_path / "store", images.images, images.table, images.info)
    store.check()
    file = tmp_path / "store" / "images.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    damaged = open_store(tmp_path / "store")
    with pytest.raises(ArmoireError, match="is damaged: its images or table have changed since it was built"):
        damaged.check()
    with pytest.raises(ArmoireError, match="is damaged"):
        train("fashion-ae", damaged, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()
