"""`armoire cache`: everything outside of runs is listed with its size, and removed unless it is in use."""

from __future__ import annotations

import json
import os

import pytest

from armoire.cli import main
from armoire.io.files import cache_folder, write_text
from armoire.io.locks import file_lock

FILES = {
    "stores/photos-0123-v2/images.npy": 1000,
    "stores/photos-0123-v2/table.parquet": 10,
    "stores/.dying-0123-v2.scratch/pixels.npy": 200,
    "hub/hub.example/owner/run/0123/model/model.safetensors": 300,
    "hub/hub.example/datasets/owner/set/0123/data.zip": 400,
    "features/a.npy": 50,
    "later/x": 7,
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ARMOIRE_CACHE", str(tmp_path / "cache"))
    for name, size in FILES.items():
        write_text(cache_folder() / name, "x" * size)
    return cache_folder()


def listed(capsys, *flags: str) -> dict:
    main(["cache", "--json", *flags])
    found = json.loads(capsys.readouterr().out)
    assert found["bytes"] == sum(entry["bytes"] for entry in found["entries"])
    return found


def left() -> list[str]:
    return sorted(str(f.relative_to(cache_folder())) for f in cache_folder().rglob("*") if f.is_file())


def test_everything_is_listed_with_its_size(capsys, cache):
    entries = {e["path"].removeprefix(f"{cache}/"): e["bytes"] for e in listed(capsys)["entries"]}
    assert entries["features/a.npy"] == 50
    assert 1010 <= entries["stores/photos-0123-v2"] < 20_000  # a folder's own size depends on the file system
    assert set(entries) == {
        "features/a.npy",
        "hub/hub.example/datasets/owner/set",
        "hub/hub.example/owner/run",
        "later/x",
        "stores/.dying-0123-v2.scratch",
        "stores/photos-0123-v2",
    }
    main(["cache"])
    printed = capsys.readouterr().out
    assert "packed data sets" in printed and str(cache) in printed


def test_it_is_removed(capsys):
    assert len(listed(capsys, "--clear")["entries"]) == 6
    assert left() == []
    assert listed(capsys) | {"folder": ""} == {"folder": "", "cleared": False, "bytes": 0, "entries": []}


@pytest.mark.parametrize(
    ("lock", "stays"),
    [
        ("stores/.photos-0123-v2.lock", "stores/photos-0123-v2"),
        ("stores/.dying-0123-v2.lock", "stores/.dying-0123-v2.scratch"),
        ("hub/hub.example/owner/run/.lock", "hub/hub.example/owner/run"),
    ],
)
def test_what_another_process_is_writing_stays(capsys, cache, holder, lock, stays):
    holder(cache / lock)
    main(["cache", "--clear"])
    printed = capsys.readouterr().err
    assert f"{cache / stays} is in use by process" in printed
    assert {name for name in left() if not name.endswith(".lock")} == {n for n in FILES if n.startswith(f"{stays}/")}


def test_a_file_that_is_being_written_stays_for_a_day(capsys, cache):
    part = cache / "features" / ".b.0123abcd.part.npy"
    write_text(part, "x")
    listed(capsys, "--clear")
    assert left() == ["features/.b.0123abcd.part.npy"]
    os.utime(part, (0, 0))
    listed(capsys, "--clear")
    assert left() == []


def test_the_lock_file_of_a_killed_process_locks_nothing(capsys, cache):
    with file_lock(cache / "stores" / ".photos-0123-v2.lock", "it"):
        pass
    write_text(cache / "stores" / ".photos-0123-v2.lock", "process 1")
    listed(capsys, "--clear")
    assert not (cache / "stores" / "photos-0123-v2").exists()
