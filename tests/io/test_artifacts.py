"""Artifacts: read where data, weights and settings are the same, computed in all other cases, whatever the format."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from armoire.errors import ArmoireError
from armoire.io.artifacts import Artifacts, Format, JsonFormat, TableFormat, TensorFormat, digest_once
from armoire.io.files import write_text

SOURCE = {"data_fingerprint": "d", "model_sha256": "m"}
CONTENTS = {
    JsonFormat: {"a": [1, 2.5, None]},
    TableFormat: pa.table({"a": [1, 2], "b": ["x", "y"]}),
    TensorFormat: ({"w": torch.arange(4.0)}, {"k": 3}),
}


@pytest.fixture(params=CONTENTS, ids=lambda kind: kind.__name__)
def kind(request) -> type[Format]:
    return request.param


def same(a, b) -> bool:
    if isinstance(a, tuple):
        return a[1] == b[1] and torch.equal(a[0]["w"], b[0]["w"])
    return a == b


class Made:
    """Computes an artifact, and counts how often."""

    def __init__(self, value) -> None:
        self.value, self.times = value, 0

    def __call__(self):
        self.times += 1
        return self.value


def artifacts(root: Path, **source: str) -> Artifacts:
    return Artifacts(root, lambda: SOURCE | source)


def test_an_artifact_is_computed_once(kind, tmp_path):
    make = Made(CONTENTS[kind])
    for _ in range(2):  # each time as another process would
        found = artifacts(tmp_path).get("sub/x", kind("armoire-x-1"), make, settings={"k": (1, 2)})
        assert same(found, make.value)
    assert make.times == 1
    assert same(artifacts(tmp_path).read("sub/x", kind("armoire-x-1"), settings={"k": [1, 2]}), make.value)


@pytest.mark.parametrize(
    ("source", "version", "settings"),
    [
        ({"data_fingerprint": "other"}, "armoire-x-1", {}),
        ({"model_sha256": "other"}, "armoire-x-1", {}),
        ({}, "armoire-x-2", {}),
        ({}, "armoire-x-1", {"k": 1}),
    ],
)
def test_what_was_computed_from_something_else_is_computed_again(kind, tmp_path, recorder, source, version, settings):
    make = Made(CONTENTS[kind])
    artifacts(tmp_path).write("x", kind("armoire-x-1"), make.value)
    other = artifacts(tmp_path, **source)
    assert other.read("x", kind(version), settings=settings) is None
    other.get("x", kind(version), make, settings=settings, progress=recorder)
    assert make.times == 1
    assert recorder.notes == []  # it is no damage
    assert same(other.read("x", kind(version), settings=settings), make.value)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "folder", "text", "json"])
def test_a_damaged_file_is_reported_and_computed_again(kind, tmp_path, recorder, damage):
    make, path = Made(CONTENTS[kind]), tmp_path / "x"
    artifacts(tmp_path).write("x", kind("armoire-x-1"), make.value)
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        changed = bytearray(whole)
        changed[len(whole) // 2] ^= 1
        contents = {"cut": whole[:-9], "flipped": bytes(changed), "empty": b"", "text": b"\xff" * 99, "json": b"[]"}
        path.write_bytes(contents[damage])
    with pytest.raises(ArmoireError, match=rf"{path} is damaged \("):
        artifacts(tmp_path).read("x", kind("armoire-x-1"))
    again = artifacts(tmp_path)
    for _ in range(2):
        assert same(again.get("x", kind("armoire-x-1"), make, progress=recorder), make.value)
    assert make.times == 1  # of the folder, which nothing can replace, it is in memory
    assert len(recorder.notes) == 1
    assert recorder.notes[0].endswith("it is computed again")


def test_content_that_cannot_be_decoded_is_damage(kind, tmp_path):
    def refuse(_content):
        raise KeyError("field")

    artifacts(tmp_path).write("x", kind("armoire-x-1"), CONTENTS[kind])
    with pytest.raises(ArmoireError, match="is damaged"):
        artifacts(tmp_path).read("x", kind("armoire-x-1", decode=refuse))


def test_a_folder_that_cannot_be_written_to_is_no_error(kind, tmp_path):
    write_text(tmp_path / "file", "")
    make, one = Made(CONTENTS[kind]), artifacts(tmp_path / "file")
    for _ in range(2):
        assert same(one.get("x", kind("armoire-x-1"), make), make.value)
    assert make.times == 1
    assert one.read("x", kind("armoire-x-2")) is None


def fill(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "a.txt").write_text("hello")


def test_a_folder_is_filled_once_and_filled_again_where_a_file_is_not_whole(tmp_path):
    def folder_of(k: int = 1, version: int = 1) -> Path | None:
        return artifacts(tmp_path).find_folder("site", f"armoire-site-{version}", settings={"k": k})

    folder = artifacts(tmp_path).make_folder("site", "armoire-site-1", fill, settings={"k": 1})
    assert folder == tmp_path / "site"
    (folder / "mine").write_text("")  # not one of its files
    assert folder_of() == folder
    assert folder_of(k=2) is folder_of(version=2) is None
    (folder / "sub" / "a.txt").write_text("h")
    assert folder_of() is None
    artifacts(tmp_path).make_folder("site", "armoire-site-1", fill, settings={"k": 1})
    assert (folder / "sub" / "a.txt").read_text() == "hello"
    assert not (folder / "mine").exists()
    (folder / "sub" / "a.txt").unlink()
    (folder / "sub" / "a.txt").symlink_to("/etc/hostname")
    assert folder_of() is None


def test_a_folder_of_a_run_that_cannot_be_written_to_goes_to_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ARMOIRE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("armoire.io.artifacts.os.access", lambda *_: False)
    folder = artifacts(tmp_path).make_folder("site", "armoire-site-1", fill)
    assert folder.is_relative_to(tmp_path / "cache" / "site")
    assert artifacts(tmp_path).find_folder("site", "armoire-site-1") == folder


@pytest.mark.parametrize("content", ["", "[]", "{}", "[" * 100_000, json.dumps({"cache_key": {}, "files": 3})])
def test_a_folder_whose_key_cannot_be_read_is_filled_again(tmp_path, content):
    folder = artifacts(tmp_path).make_folder("site", "armoire-site-1", fill)
    (folder / ".cache_key.json").write_text(content)
    assert artifacts(tmp_path).find_folder("site", "armoire-site-1") is None


def test_a_digest_is_computed_once_for_each_state_of_a_file(tmp_path):
    path, make = tmp_path / "w", Made("digest")
    for content in ("one", "two"):
        write_text(path, content)
        assert [digest_once(path, make) for _ in range(3)] == ["digest"] * 3
    assert make.times == 2
    os.utime(path, ns=(0, 0))
    digest_once(path, make)
    assert make.times == 3
