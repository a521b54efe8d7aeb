"""Sources divided into parts: every picture in one of them, the same for whoever divides."""

from __future__ import annotations

import errno
import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from armoire.errors import ArmoireError
from armoire.images.decode import RejectedImageError
from armoire.images.fit import Fit
from armoire.images.listing import list_source
from armoire.images.shards import decoder, shard_files
from armoire.images.sources.parquet import _ranges, is_parquet, shard_parquet

FIT = Fit(16, channels=1)


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (16, 16), value).save(file, "PNG")
    return file.getvalue()


def values(division) -> dict[str, int | str]:
    """The grey value of each picture, or why there is none, read by parts that travelled as to another process."""
    found = {}
    for part in pickle.loads(pickle.dumps(division.shards)):
        names = list(part.pictures())
        assert len(names) == len(part)
        for name, decode in names:
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


def test_folder_and_zip_give_every_picture_once(folder: Path, tmp_path: Path):
    expected = {f"{i % 2}/{i}.png": i for i in range(7)} | {"caf\\udce9.png": 200}
    divided = shard_files(folder, list_source(folder), 4)
    assert [len(part) for part in divided.shards] == [4, 4, 1]
    found = values(divided)
    assert "not a JPEG" in str(found.pop("broken.png"))
    assert found == expected
    packed = tmp_path / "all.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for i in range(7):
            archive.writestr(f"{i % 2}/{i}.png", png(i))
    assert values(shard_files(packed, list_source(packed), 3)) == {f"{i % 2}/{i}.png": i for i in range(7)}


def test_a_change_changes_the_digest(folder: Path):
    before = shard_files(folder, list_source(folder), 4)
    assert before.digest == shard_files(folder, list_source(folder), 2).digest
    (folder / "1" / "1.png").unlink()
    assert before.digest != shard_files(folder, list_source(folder), 4).digest


@given(counts=st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=5), size=st.integers(1, 12))
def test_row_groups_fall_into_parts_whole_and_each_row_once(counts: list[list[int]], size: int):
    groups = [(str(k), c) for k, c in enumerate(counts)]
    parts = list(_ranges(groups, size))
    rows = [(p.file, row) for pieces in parts for p in pieces for row in range(p.start, p.stop)]
    assert rows == [(file, row) for file, c in groups for row in range(sum(c))]
    assert all(0 < sum(p.stop - p.start for p in pieces) <= size for pieces in parts)
    for p in (p for pieces in parts for p in pieces):
        c = counts[int(p.file)]
        assert p.first == sum(c[: p.group]) <= p.start < p.stop <= sum(c[: p.last + 1])


def write(path: Path, table: dict, rows: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), path, row_group_size=rows)
    return path


@pytest.mark.parametrize("size", [1, 2, 4, 5, 100])
def test_parquet_binary_and_struct(tmp_path: Path, size: int):
    contents = [png(i) for i in range(8)]
    write(tmp_path / "data/a.parquet", {"id": list(range(8)), "image": contents})
    write(tmp_path / "data/b.parquet", {"id": list(range(8, 10)), "image": [b"", None]})
    assert is_parquet(tmp_path / "data")
    found = values(shard_parquet(tmp_path / "data", size))
    assert found == {str(i): i for i in range(8)} | {"8": "empty file", "9": "no image"}
    cells = [{"bytes": c, "path": None if i == 2 else f"{i}.png"} for i, c in enumerate(contents)]
    one = write(tmp_path / "hf.parquet", {"img": cells, "label": list(range(8))})
    found = values(shard_parquet(one, size))
    assert found == {f"{i}.png" if i != 2 else "hf.parquet#2": i for i in range(8)}
    assert values(shard_parquet(one, size, "img", "label")) == {str(i): i for i in range(8)}


def test_a_damaged_row_group_costs_its_own_rows_only(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (8, 16, 16), dtype=np.uint8)
    files = [io.BytesIO() for _ in noise]
    for pixels, file in zip(noise, files, strict=True):
        Image.fromarray(pixels).save(file, "PNG")
    one = write(tmp_path / "x.parquet", {"image": [f.getvalue() for f in files]}, rows=4)
    chunk = pq.read_metadata(one).row_group(0).column(0)
    content = bytearray(one.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start : start + 40] = b"\xff" * 40
    one.write_bytes(content)
    found = values(shard_parquet(one, 4))
    assert list(found) == [f"x.parquet#{i}" for i in range(8)]
    assert all("damaged in x.parquet" in str(found[f"x.parquet#{i}"]) for i in range(4))
    assert [found[f"x.parquet#{i}"] for i in range(4, 8)] == [int(p[0, 0]) for p in noise[4:]]


@pytest.mark.parametrize(
    ("table", "settings", "words"),
    [
        ({"label": [1]}, {}, "no column"),
        ({"a": [b"1"], "b": [b"2"]}, {}, "several columns"),
        ({"image": [b"1"]}, {"column": "imag"}, "did you mean 'image'"),
        ({"image": [b"1"], "label": [1]}, {"column": "label"}, "holds no images"),
        ({"image": [b"1"]}, {"id_column": "name"}, "no column 'name'"),
    ],
)
def test_what_the_user_can_mend(tmp_path: Path, table: dict, settings: dict, words: str):
    with pytest.raises(ArmoireError, match=words):
        shard_parquet(write(tmp_path / "x.parquet", table), 10, **settings)


def test_a_failing_disk_is_no_broken_picture():
    def fails(number: int):
        def opener():
            raise OSError(number, os.strerror(number))

        return decoder(opener)

    with pytest.raises(OSError, match="Input/output"):
        fails(errno.EIO)(FIT)
    with pytest.raises(RejectedImageError, match="Permission denied"):
        fails(errno.EACCES)(FIT)
