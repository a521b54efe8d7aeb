"""Well-known data sets, in their published layouts: read right by one command, or with one flag that it suggests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from data_sets import DataSet, Reading, differences, encoded, read, zipped
from layouts import OF_ARRAYS_AND_TABLES, OF_IMAGE_FILES

from armoire.images import ImageSet

Layout = Callable[[], DataSet]


@pytest.mark.parametrize("layout", [*OF_IMAGE_FILES, *OF_ARRAYS_AND_TABLES], ids=lambda layout: layout.__name__)
def test_a_well_known_layout_is_read_right(layout: Layout, tmp_path):
    data = layout()
    images = check(data, tmp_path)
    if layout in OF_IMAGE_FILES:  # every file is accounted for; tables that are used are none of the images' files
        below = [name for name in data.files if name.startswith(data.top)]
        tables = sum(name.endswith((".csv", ".txt")) for name in below)
        assert len(below) - tables <= images.describe()["found"] <= len(below)


@pytest.mark.parametrize("layout", OF_IMAGE_FILES, ids=lambda layout: layout.__name__)
def test_a_zip_of_it_is_read_the_same(layout: Layout, tmp_path):
    check(layout().in_zip(), tmp_path)


def check(data: DataSet, folder) -> ImageSet:
    path = data.write(folder / "data")
    reading = read(path)
    found = faults(reading, data)
    if found and data.choice:
        (field,) = data.choice
        flag = f"--{field}" if "_" in field else f"--{field}-column"
        assert flag.replace("_", "-") in " ".join([reading.refusal, *reading.said]), (found, reading.said)
        reading = read(path, data.choice)
        found = faults(reading, data)
    assert not found
    return reading.images


def faults(reading: Reading, data: DataSet) -> dict[str, str]:
    return {"refused": reading.refusal} if reading.images is None else differences(reading.images, data)


def test_a_zip_of_zips_is_refused_and_labels_in_other_formats_are_named(tmp_path):
    inner = zipped({"a.png": encoded(0), "b.png": encoded(1)})
    (tmp_path / "all.zip").write_bytes(zipped({"inner.zip": inner, "readme.txt": b"words"}))
    assert "holds no images but archives, such as inner.zip; unpack it" in read(tmp_path / "all.zip").refusal
    (tmp_path / "all.zip").unlink()
    (tmp_path / "set.zip").write_bytes(zipped({"a.png": encoded(0), "b.png": encoded(1), "labels.xlsx": b"PK"}))
    assert "a spreadsheet; save it as CSV to use it" in " ".join(read(tmp_path / "set.zip").said)
