"""Images in the cells of a table: paths as people write them, and base64; nothing outside of the table's folder."""

from __future__ import annotations

import base64
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_sets import saved
from PIL import Image

from armoire import load_images
from armoire.errors import ArmoireError
from armoire.images.column_roles import ColumnChoice
from armoire.images.decode import RejectedImageError
from armoire.images.sources.cells import image_column, open_cell, path_in


def png() -> bytes:
    return saved(Image.new("RGB", (20, 20))).getvalue()


@pytest.mark.parametrize(
    "cell",
    [
        "images\\é.png",
        ".\\images\\é.png",
        "C:\\data\\images\\é.png",
        "/content/images/é.png",
        "../data/images/é.png",
        {"bytes": None, "path": "images/é.png"},
        base64.b64encode(png()).decode(),
        "data:image/png;base64," + base64.b64encode(png()).decode(),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_what_opens(tmp_path, cell, form):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / unicodedata.normalize(form, "é.png")).write_bytes(png())
    with open_cell(cell, tmp_path) as file:
        assert file.read() == png()
    is_path = isinstance(cell, dict) or "é" in cell
    assert (path_in(cell) is not None) == is_path


@pytest.mark.parametrize("cell", ["../secret.png", "/etc/hostname", "C:\\secret.png", "", None, "a" * 300])
def test_what_does_not(tmp_path, cell):
    (tmp_path / "secret.png").write_bytes(png())
    (tmp_path / "data").mkdir()
    with pytest.raises((RejectedImageError, OSError)):
        open_cell(cell, tmp_path / "data")


def test_which_columns(tmp_path):
    schema = pa.schema([("mask", pa.binary()), ("photo", pa.binary()), ("id", pa.string())])
    with pytest.raises(ArmoireError, match=r"\(mask, photo\); choose one with --image-column"):
        image_column(tmp_path, schema)
    assert image_column(tmp_path, schema, ColumnChoice(image="Photo")) == "photo"
    with pytest.raises(ArmoireError, match="no column 'foto' for --image-column; did you mean 'photo'"):
        image_column(tmp_path, schema, ColumnChoice(image="foto"))
    assert image_column(tmp_path, pa.schema([("Image Path", pa.string()), ("label", pa.int64())])) == "Image Path"


def test_bytes_next_to_paths_of_files_are_not_guessed(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(png())
    table = pa.table({"photo": ["a.png", "b.png"], "overlay": [png(), png()], "label": ["cat", "dog"]})
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(ArmoireError, match=r"may hold images \(overlay, photo\); choose one with --image-column"):
        load_images(tmp_path, 16)
    for column in ("photo", "overlay"):
        assert load_images(tmp_path, 16, choice=ColumnChoice(image=column)).info.classes == ("cat", "dog")
    for name in "ab":
        (tmp_path / f"{name}.png").unlink()
    assert len(load_images(tmp_path, 16)) == 2  # the name of an image whose bytes are here
