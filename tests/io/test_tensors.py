from __future__ import annotations

import json
import os

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from armoire.errors import ArmoireError
from armoire.io.tensors import LARGEST_HEADER, DamagedFileError, ForeignFileError, open_tensors, write_tensors

KIND = "test-1"
TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b.c": torch.tensor([1, 2], dtype=torch.int64), "none": torch.zeros(0)}


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    return write_tensors(tmp_path_factory.mktemp("t") / "t.safetensors", TENSORS, {"format": KIND, "facts": "ä"})


def test_tensors_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "t.safetensors"
    content = write_tensors(path, TENSORS, {"format": KIND, "facts": "ä"})
    assert path.read_bytes() == content
    found = open_tensors(path, KIND)
    assert found.metadata["facts"] == "ä"
    assert found.shapes == {"a": (2, 3), "b.c": (2,), "none": (0,)}
    read = found.read()
    assert all(torch.equal(read[name], t) and read[name].dtype == t.dtype for name, t in TENSORS.items())
    others = load_file(path)  # any program that knows the format reads it
    assert torch.equal(others["a"], TENSORS["a"])


def test_equal_contents_are_equal_bytes(tmp_path, content):
    turned = dict(reversed(TENSORS.items()))
    assert write_tensors(tmp_path / "t.safetensors", turned, {"facts": "ä", "format": KIND}) == content


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255), keep=st.integers(0, 10_000), more=st.binary(max_size=300))
def test_a_file_with_other_bytes_is_refused(tmp_path, content, at, flip, keep, more):
    changed = bytearray(content)
    changed[at % len(content)] ^= flip
    for other in (bytes(changed), content[:keep] + more, more, len(more).to_bytes(8, "little") + more):
        if other != content:
            refused(tmp_path / "t.safetensors", other)


def refused(path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        open_tensors(path, KIND).read()


@pytest.mark.parametrize(("kind", "is_other_version"), [("other-1", False), ("test-2", True)])
def test_a_file_of_another_kind_or_version_is_not_called_damaged(tmp_path, kind, is_other_version):
    write_tensors(tmp_path / "t", TENSORS, {"format": kind})
    with pytest.raises(ForeignFileError, match="names no test-1") as error:
        open_tensors(tmp_path / "t", KIND)
    assert error.value.is_other_version == is_other_version


def test_a_header_too_large_is_neither_written_nor_read(tmp_path):
    much = "x" * LARGEST_HEADER
    with pytest.raises(ArmoireError, match="larger than 1,048,576 bytes"):
        write_tensors(tmp_path / "t", TENSORS, {"format": KIND, "facts": much})
    assert list(tmp_path.iterdir()) == []
    save_file(TENSORS, tmp_path / "t", {"format": KIND, "facts": much})
    with pytest.raises(DamagedFileError, match="larger than 1,048,576"):
        open_tensors(tmp_path / "t", KIND)


def test_a_forged_header_takes_no_memory(tmp_path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    for length in (len(header), 1 << 62, (1 << 64) - 1):
        refused(tmp_path / "t", length.to_bytes(8, "little") + header)


def test_a_pipe_and_a_file_without_a_checksum_are_refused(tmp_path):
    save_file(TENSORS, tmp_path / "t", {"format": KIND})
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DamagedFileError, match="not those that were written"):
        open_tensors(tmp_path / "t", KIND).read()
    with pytest.raises(DamagedFileError, match="no regular file"):
        open_tensors(tmp_path / "pipe", KIND)


def test_a_large_file_is_read_without_a_second_copy_of_it(tmp_path):
    import resource

    tensor = torch.from_numpy(np.random.default_rng(0).random(30_000_000).astype(np.float32))
    write_tensors(tmp_path / "t", {"a": tensor}, {"format": KIND})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = open_tensors(tmp_path / "t", KIND)
    assert torch.equal(found.read()["a"], tensor)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB, of 120,000 kB that it holds
