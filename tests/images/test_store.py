"""The packed store: what was written comes back, and what was changed since is told, never taken for the data."""

from __future__ import annotations

import shutil
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from armoire.errors import ArmoireError
from armoire.images.fit import Fit
from armoire.images.imageset import ImageSet, SetInfo, make_table
from armoire.images.mapped import open_array
from armoire.images.rows import SPLITS
from armoire.images.store import open_store, write_store

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FILES = ("images.npy", "table.parquet", "info.json")


@st.composite
def stores(draw: st.DrawFn) -> tuple[np.ndarray, tuple, tuple]:
    n, side, channels = draw(st.integers(1, 12)), draw(st.integers(1, 9)), draw(st.sampled_from([1, 3]))
    values = np.arange(n * side * side * channels) * draw(st.integers(1, 10**6)) % 256
    images = values.astype(np.uint8).reshape(n, side, side, channels)
    labels = draw(st.lists(st.none() | st.integers(0, 3), min_size=n, max_size=n))
    known = draw(st.dictionaries(st.text(string.ascii_letters, min_size=6, max_size=9), st.just(None), max_size=3))
    attributes = {
        name: np.array(draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=n, max_size=n)), np.int8) for name in known
    }
    ids = draw(st.lists(NAMES, min_size=n, max_size=n))
    splits = draw(st.lists(st.sampled_from(SPLITS), min_size=n, max_size=n))
    told = (draw(NAMES), draw(NAMES), tuple(draw(st.lists(NAMES, max_size=4))))
    return images, (ids, splits, labels, attributes), told


def same(one: ImageSet, other: ImageSet) -> bool:
    return np.array_equal(one.images, other.images) and one.table.equals(other.table) and one.info == other.info


@given(stores())
def test_what_was_written_comes_back(tmp_path_factory, store):
    images, columns, (name, source, classes) = store
    info = SetInfo(name, source, Fit(16, "pad"), classes)
    folder = tmp_path_factory.mktemp("stores") / "store"
    written = write_store(folder, images, make_table(*columns), info)
    again = open_store(folder)
    assert again is not None
    again.check()
    assert same(again, written)
    assert np.array_equal(again.images, images)
    assert again.table.column("id").to_pylist() == columns[0]
    assert (again.info.name, again.info.source, again.info.classes) == (info.name, info.source, info.classes)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
    columns = ([f"{i:03d}.png" for i in range(20)], ["train"] * 16 + ["test"] * 4, [i % 3 for i in range(20)])
    table = make_table(*columns, {"bright": (np.arange(20) % 3 - 1).astype(np.int8)})
    return write_store(tmp_path_factory.mktemp("stores") / "store", images, table, SetInfo("a", "b", Fit(16, "pad")))


@given(data=st.data())
def test_a_changed_store_is_told(tmp_path_factory, sound, data):
    """Bytes changed, cut off or put in, in any of its files: built again, refused, or not a value differs."""
    folder = tmp_path_factory.mktemp("changed") / "store"
    shutil.copytree(sound.store, folder)
    path = folder / data.draw(st.sampled_from(FILES))
    content = bytearray(path.read_bytes())
    at, kind = data.draw(st.integers(0, len(content) - 1)), data.draw(st.sampled_from(["change", "cut", "put"]))
    if kind == "change":
        content[at] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        content = content[:at]
    else:
        content[at:at] = data.draw(st.binary(min_size=1, max_size=20))
    path.write_bytes(content)
    found = open_store(folder)
    if found is not None:
        try:
            found.check()
        except ArmoireError as error:
            assert "is damaged" in str(error)
        else:
            assert same(found, sound)


@pytest.mark.parametrize(
    "header", [b"{'descr': (", b"{'descr': '''", b"\n  1\n 2\n", b"(" * 9000, b"{'shape': (-1,)}", b"\xff" * 9, b""]
)
def test_an_array_whose_header_is_no_python_is_damaged(tmp_path, header):
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    (tmp_path / "a.npy").write_bytes(content)
    for mode in ("r", None):
        with pytest.raises(ValueError, match=r"."):
            open_array(tmp_path / "a.npy", mode)
