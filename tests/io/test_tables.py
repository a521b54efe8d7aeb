from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from armoire.io.tables import DIGEST, NO_DIGEST, checksum_table, read_table, write_table

ROWS = 50
TABLE = pa.table(
    {
        "id": [f"{i:04d}" for i in range(ROWS)],
        "label": pa.array([None if i % 3 else i for i in range(ROWS)], pa.int32()),
        "smiling": pa.array([None if i % 5 == 0 else i % 2 == 0 for i in range(ROWS)], pa.bool_()),
        "mean_0": pa.array(np.random.default_rng(0).normal(size=ROWS).astype(np.float32)),
    },
    metadata={"cache_key": "something"},
)
PLAIN = {"compression": "none", "use_dictionary": False}


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("t") / "t.parquet"
    write_table(TABLE, path)
    return path.read_bytes()


def test_a_table_is_read_as_it_was_written(tmp_path):
    write_table(TABLE, tmp_path / "t.parquet")
    read = read_table(tmp_path / "t.parquet")
    assert read.equals(TABLE, check_metadata=True)
    assert pq.read_table(tmp_path / "t.parquet").equals(TABLE)  # and by any program that knows Parquet


@pytest.mark.parametrize(
    ("value", "kind"), [(None, pa.bool_()), (None, pa.int8()), (True, pa.bool_())], ids=["bools", "ints", "known"]
)
def test_attributes_of_no_image_or_of_all(tmp_path, value, kind):
    """A Parquet file holds less than a byte for each value."""
    rows = 30_000
    table = pa.table(
        {"id": [str(i) for i in range(rows)]} | {f"attribute_{k}": pa.array([value] * rows, kind) for k in range(60)}
    )
    write_table(table, tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < table.num_rows * table.num_columns
    assert read_table(tmp_path / "t.parquet").equals(table)


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_changed_byte_is_detected(tmp_path, content, at, flip):
    changed = bytearray(content)
    changed[at % len(content)] ^= flip
    (tmp_path / "t.parquet").write_bytes(changed)
    with pytest.raises(ValueError, match=r"not those that were written|did not write it"):
        read_table(tmp_path / "t.parquet")


@given(st.binary(max_size=200))
def test_what_is_no_parquet_is_an_error(tmp_path, anything):
    (tmp_path / "t.parquet").write_bytes(b"PAR1" + anything + b"PAR1")
    with pytest.raises((ValueError, OSError)):
        read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        (lambda: pa.nulls(1 << 25, pa.float32()), PLAIN, "do not fit"),
        (lambda: pa.nulls(1 << 10, pa.binary(1 << 20)), PLAIN, "FIXED_LEN_BYTE_ARRAY"),
        (
            lambda: [f"{i * 2654435761 % 1000003:09d}" for i in range(5000)],
            PLAIN | {"compression": "zstd"},
            "compressed",
        ),
        (lambda: ["the same"] * 5000, PLAIN | {"use_dictionary": True}, "compressed"),
    ],
    ids=["all missing", "all missing and wide", "compressed", "dictionary"],
)
def test_a_table_larger_than_its_file_is_refused(tmp_path, values, options, words):
    """Forged, with a right checksum."""
    table = pa.table({"a": values()}).replace_schema_metadata({DIGEST: NO_DIGEST})
    pq.write_table(table, tmp_path / "t.parquet", **options)
    checksum_table(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=words):
        read_table(tmp_path / "t.parquet")


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="no regular file"):
        read_table(tmp_path / "t.parquet")
