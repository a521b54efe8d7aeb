"""Reading a large data set: what was read before a kill is not read again, and what comes of it is the same."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from armoire import load_images
from armoire.images import packing
from armoire.images.scratch import Outcome, Scratch
from armoire.images.source import Source
from armoire.images.sources.drawn_faces import write_kaggle

N, CHUNK = 40, 8
KILLED_AT = """
import os, signal, sys
from contextlib import contextmanager
from armoire.images import load_images, packing

class Killer:
    left = int(sys.argv[2])

    @contextmanager
    def task(self, *arguments, **options):
        yield self

    def advance(self, *arguments, **options):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

    def note(self, text):
        pass

packing.CHUNK = 1
packing.SAVED = int(sys.argv[3])
load_images(sys.argv[1], size=16, progress=Killer())
"""

READ_PATIENTLY = """
import json, sys, time
from contextlib import contextmanager
from pathlib import Path
from armoire.images import load_images

other_waits = Path(sys.argv[2])

class Patient:
    read, notes, end = 0, [], time.monotonic() + 100

    @contextmanager
    def task(self, *arguments, **options):
        yield self

    def advance(self, amount=1):
        self.read += amount
        while not other_waits.exists() and time.monotonic() < self.end:
            time.sleep(0.01)

    def note(self, text):
        self.notes.append(text)
        if "is in use by " in text:  # process so and so, once it has written who it is
            other_waits.touch()

reader = Patient()
images = load_images(sys.argv[1], size=16, progress=reader)
print(json.dumps({"read": reader.read, "notes": reader.notes, "fingerprint": images.info.fingerprint}))
"""


@pytest.fixture(scope="session")
def faces(tmp_path_factory) -> Path:
    """Forty drawn faces in the Kaggle layout, one of them damaged; not to be written to."""
    folder = write_kaggle(tmp_path_factory.mktemp("resuming") / "archive", N, size=(32, 32))
    bad = folder / "img_align_celeba/img_align_celeba/000006.jpg"
    bad.write_bytes(bad.read_bytes()[:300])
    return folder


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(packing, "CHUNK", 1)
    monkeypatch.setattr(packing, "SAVED", CHUNK)


def killed(source: str, at: int) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED_AT, source, str(at), str(CHUNK)], check=False)
    assert done.returncode == -signal.SIGKILL


def scratches(cache: Path) -> list[Path]:
    return list((cache / "stores").glob(".*.scratch"))


def source_of(kind: str, faces: Path) -> str:
    return f"celeba:{faces}" if kind == "celeba" else str(faces / "img_align_celeba/img_align_celeba")


def test_processes_read_what_threads_read(faces, cache, monkeypatch):
    source = source_of("plain folder", faces)
    by_threads = load_images(source, 16)
    shutil.rmtree(cache / "stores")
    monkeypatch.setattr(Source, "processes_from", 2)
    by_processes = load_images(source, 16)
    assert by_processes.info.fingerprint == by_threads.info.fingerprint
    assert by_processes.reading.rejected == by_threads.reading.rejected != ()


@pytest.mark.parametrize("kind", ["celeba", "plain folder"])
@pytest.mark.parametrize("at", [1, 8, 9, 20, 40])
def test_a_killed_reading_goes_on_to_an_equal_store(faces, tmp_path, monkeypatch, cache, recorder, kind, at):
    source = source_of(kind, faces)
    killed(source, at)
    assert len(scratches(cache)) == 1
    before = (at - 1) // CHUNK * CHUNK
    resumed = load_images(source, size=16, progress=recorder)
    assert recorder.advances == N - before
    assert recorder.done == N
    told = [note for note in recorder.notes if note.startswith("resuming ")]
    assert len(told) == (before > 0)
    assert all(f"at image {before + 1} of {N}" in note for note in told)
    assert list((cache / "stores").iterdir()) == [resumed.store]
    monkeypatch.setenv("ARMOIRE_CACHE", str(tmp_path / "another"))
    whole = load_images(source, size=16)
    assert resumed.info == whole.info
    assert resumed.table == whole.table
    assert np.array_equal(resumed.images, whole.images)
    assert (resumed.store / "rejected.csv").read_text() == (whole.store / "rejected.csv").read_text()
    assert resumed.info.rejected == 1


def test_killed_again_and_again(faces, cache, recorder):
    for at in (12, 12, 12):
        killed(f"celeba:{faces}", at)
    load_images(f"celeba:{faces}", size=16, progress=recorder)
    assert recorder.advances == N - 3 * CHUNK


def test_ctrl_c_leaves_what_was_read_too(faces, cache, stops_at, recorder):
    with pytest.raises(KeyboardInterrupt):
        load_images(faces, size=16, progress=stops_at(20))
    assert len(scratches(cache)) == 1
    load_images(faces, size=16, progress=recorder)
    assert recorder.advances == N - 2 * CHUNK


def test_a_source_that_changed_is_read_from_the_beginning(faces, tmp_path, cache, recorder):
    copied = Path(shutil.copytree(faces, tmp_path / "archive"))
    killed(f"celeba:{copied}", 20)
    Image.new("RGB", (32, 32)).save(copied / "img_align_celeba/img_align_celeba/000001.jpg")
    images = load_images(f"celeba:{copied}", size=16, progress=recorder)
    assert recorder.advances == N
    assert not images.images[images.ids.index("000001.jpg")].any()
    assert scratches(cache) == []


@pytest.mark.parametrize("damage", ["cut line", "text", "no pixels", "empty"])
def test_damaged_scratch_is_passed_over(faces, cache, recorder, damage):
    killed(f"celeba:{faces}", 20)
    (scratch,) = scratches(cache)
    done = scratch / "done.jsonl"
    content = done.read_text()
    if damage == "no pixels":
        (scratch / "pixels.npy").write_bytes(b"")
    else:
        done.write_text({"cut line": content[:-20], "text": "hello\n", "empty": ""}[damage])
    load_images(f"celeba:{faces}", size=16, progress=recorder)
    assert recorder.advances == (N - CHUNK if damage == "cut line" else N)
    assert scratches(cache) == []


def test_two_readings_at_once_build_one_store(faces, tmp_path, cache):
    """The second waits for the first, and uses what it made."""
    words = [sys.executable, "-c", READ_PATIENTLY, f"celeba:{faces}", str(tmp_path / "waits")]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [json.loads(process.communicate(timeout=300)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(images["read"] for images in told) == [0, N]
    assert told[0]["fingerprint"] == told[1]["fingerprint"]
    assert len(list((cache / "stores").iterdir())) == 1
    waited = [note for images in told for note in images["notes"] if "is in use by " in note]
    assert len(waited) == 1


def test_other_errors_leave_nothing(faces, cache, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError("no space left")

    monkeypatch.setattr(packing, "write_store", refuse)
    with pytest.raises(OSError, match="no space"):
        load_images(faces, size=16)
    assert scratches(cache) == []


def test_memory_does_not_grow_with_the_set(tmp_path):
    """The pixels of a mapped array leave memory when they are kept: what is resident is one chunk, not the set."""
    status = Path("/proc/self/smaps")
    if not status.is_file():
        pytest.skip("needs Linux, which tells what is resident")
    rows, side = 64, 256
    scratch = Scratch(tmp_path / "store", "key", (8 * rows, side, side, 3))

    def resident_megabytes() -> float:
        lines = status.read_text().splitlines()
        at = next(i for i, line in enumerate(lines) if line.endswith(f"{scratch.folder.name}/pixels.npy"))
        return int(next(line for line in lines[at:] if line.startswith("Rss:")).split()[1]) / 1024

    for start in range(0, 8 * rows, rows):
        scratch.pixels[start : start + rows] = start % 251
        assert resident_megabytes() < 1.5 * rows * side * side * 3 / 2**20
        scratch.append([Outcome()] * rows)
        assert resident_megabytes() < 1
    assert [int(scratch.pixels[start, 0, 0, 0]) for start in range(0, 8 * rows, rows)] == [
        start % 251 for start in range(0, 8 * rows, rows)
    ]
