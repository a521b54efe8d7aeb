"""Parts of a source, as other processes read them: every image in one of them, whatever the source."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_sets import saved, tarred, zipped
from PIL import Image

from armoire.errors import ArmoireError
from armoire.images.columns import ColumnChoice
from armoire.images.decode import RejectedImageError
from armoire.images.fit import Fit, read_fitted
from armoire.images.source import Request, Source
from armoire.images.sources import open_source

FIT = Fit(16, channels=1)


def png(value: int) -> bytes:
    return saved(Image.new("L", (16, 16), value)).getvalue()


def source_at(path: Path, **choice) -> Source:
    return open_source(Request(str(path), choice=ColumnChoice(**choice)))


def values(source: Source, size: int) -> dict[str, int | str]:
    """The grey value of each image, or the reason why there is none, read in parts that were pickled."""
    found: dict[str, int | str] = {}
    for start in range(0, len(source), size):
        part = pickle.loads(pickle.dumps(source.part(start, min(start + size, len(source)))))
        assert list(part.ids) == list(source.ids[start : start + size])
        for name, decode in zip(part.ids, part.read(0, len(part)), strict=True):
            assert name not in found
            try:
                found[name] = int(decode(FIT)[0, 0, 0])
            except RejectedImageError as error:
                found[name] = str(error)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(7):
        path = tmp_path / "pictures" / f"{i % 2}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(i))
    (tmp_path / "pictures" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "pictures" / "labels.csv").write_text("beside")
    (tmp_path / "pictures" / os.fsdecode(b"caf\xe9.png")).write_bytes(png(200))
    return tmp_path / "pictures"


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_folder_zip_and_tar(folder: Path, tmp_path: Path, size: int):
    expected = {f"{i % 2}/{i}.png": i for i in range(7)} | {"caf\\udce9.png": 200}
    found = values(source_at(folder), size)
    assert "not a JPEG" in str(found.pop("broken.png"))
    assert found == expected
    for name, packed in (("all.zip", zipped), ("all.tar", tarred)):
        (tmp_path / name).write_bytes(packed({f"{i % 2}/{i}.png": png(i) for i in range(7)}))
        assert values(source_at(tmp_path / name), size) == {f"{i % 2}/{i}.png": i for i in range(7)}


@pytest.mark.parametrize("size", [1, 4, 100])
def test_arrays_and_drawn_faces(tmp_path: Path, size: int):
    images = np.broadcast_to((17 * np.arange(16)).astype(np.uint8)[:, None, None], (16, 16, 16))
    np.savez(tmp_path / "a.npz", train_images=images[:10], test_images=images[10:])
    assert list(values(source_at(tmp_path / "a.npz"), size).values()) == list(range(0, 256, 17))
    np.save(tmp_path / "a.npy", images)
    assert list(values(source_at(tmp_path / "a.npy"), size).values()) == list(range(0, 256, 17))
    faces = open_source(Request("drawn-faces:12"))
    assert len(values(faces, size)) == 12


def test_a_change_changes_the_digest(folder: Path):
    before = source_at(folder).digest
    assert before == source_at(folder).digest
    (folder / "1" / "1.png").unlink()
    assert before != source_at(folder).digest


def write(path: Path, table: dict, rows: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), path, row_group_size=rows)
    return path


@pytest.mark.parametrize("size", [1, 2, 4, 5, 100])
def test_parquet_binary_and_struct(tmp_path: Path, size: int):
    contents = [png(i) for i in range(8)]
    write(tmp_path / "data/a.parquet", {"id": list(range(8)), "image": contents})
    write(tmp_path / "data/b.parquet", {"id": list(range(8, 10)), "image": [b"", None]})
    found = values(source_at(tmp_path / "data"), size)
    assert found == {str(i): i for i in range(8)} | {"8": "empty file", "9": "no image"}
    cells = [{"bytes": c, "path": None if i == 2 else f"{i}.png"} for i, c in enumerate(contents)]
    one = write(tmp_path / "hf.parquet", {"img": cells, "label": list(range(8))})
    assert values(source_at(one), size) == {f"{i}.png" if i != 2 else "hf.parquet#2": i for i in range(8)}
    assert values(source_at(one, image="img", name="label"), size) == {str(i): i for i in range(8)}
    in_chunks = [name for chunk in source_at(one).chunks(3, size) for name in chunk.ids]
    assert in_chunks == list(source_at(one).ids[3:])


def test_a_damaged_row_group_costs_its_own_rows_only(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (8, 16, 16), dtype=np.uint8)
    files = [saved(Image.fromarray(pixels)).getvalue() for pixels in noise]
    one = write(tmp_path / "x.parquet", {"image": files}, rows=4)
    chunk = pq.read_metadata(one).row_group(0).column(0)
    content = bytearray(one.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start : start + 40] = b"\xff" * 40
    one.write_bytes(content)
    found = values(source_at(one), 4)
    assert list(found) == [f"x.parquet#{i}" for i in range(8)]
    assert all("damaged in x.parquet" in str(found[f"x.parquet#{i}"]) for i in range(4))
    assert [found[f"x.parquet#{i}"] for i in range(4, 8)] == [int(p[0, 0]) for p in noise[4:]]


@pytest.mark.parametrize(
    ("table", "choice", "words"),
    [
        ({"label": [1]}, {}, "no column"),
        ({"a": [b"1"], "b": [b"2"]}, {}, "--image-column"),
        ({"image": [b"1"]}, {"image": "imag"}, "did you mean 'image'"),
        ({"image": [b"1"], "label": [1]}, {"image": "label"}, "no images or paths"),
        ({"image": [b"1"]}, {"name": "nam"}, "no column 'nam'"),
    ],
)
def test_columns_that_the_user_can_correct(tmp_path: Path, table: dict, choice: dict, words: str):
    with pytest.raises(ArmoireError, match=words):
        source_at(write(tmp_path / "x.parquet", table), **choice)


def test_a_failing_disk_is_no_broken_image():
    def fails(number: int):
        raise OSError(number, os.strerror(number))

    with pytest.raises(OSError, match="Input/output"):
        read_fitted(lambda: fails(errno.EIO), FIT)
    with pytest.raises(RejectedImageError, match="Permission denied"):
        read_fitted(lambda: fails(errno.EACCES), FIT)
