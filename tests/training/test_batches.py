"""Batches of sets in memory and of sets that stay memory-mapped."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from armoire.images.mapped import allocate, release
from armoire.model import to_unit
from armoire.training import batches as batching
from armoire.training.batches import Batches


@pytest.fixture
def mapped(tmp_path) -> np.ndarray:
    """A part of a mapped array, as a split is: 4,000 images of 16 x 16 x 3."""
    stored = allocate(tmp_path / "images.npy", (4010, 16, 16, 3))
    stored[:] = np.random.default_rng(0).integers(0, 256, stored.shape, dtype=np.uint8)
    stored.flush()
    return np.load(tmp_path / "images.npy", mmap_mode="r")[10:]


def test_a_mapped_set_gives_the_batches_of_a_resident_one(mapped, monkeypatch):
    resident = Batches(mapped, torch.device("cpu"))
    monkeypatch.setattr(batching, "RESIDENT", 0)
    monkeypatch.setattr(batching, "RELEASE_AFTER", 1 << 20)
    large = Batches(mapped, torch.device("cpu"))
    chosen = torch.randperm(len(mapped), generator=torch.Generator().manual_seed(0))
    for start in range(0, len(mapped), 100):
        part = chosen[start : start + 100]
        assert torch.equal(large.batch(part), resident.batch(part))
    assert torch.equal(resident.batch(part), to_unit(torch.from_numpy(mapped[part.numpy()])))
    for batches in (large, resident):
        assert torch.equal(torch.cat(list(batches.in_turn(150))), to_unit(torch.from_numpy(mapped.copy())))


def resident_file_pages() -> int:
    """Bytes of mapped files in the memory of the process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssFile")).split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pages_that_were_read_are_released(tmp_path, monkeypatch):
    monkeypatch.setattr(batching, "RESIDENT", 0)
    stored = allocate(tmp_path / "images.npy", (8192, 64, 64, 3))  # 100 MB
    stored[:] = 7
    release(stored)
    images = np.load(tmp_path / "images.npy", mmap_mode="r")[100:]
    monkeypatch.setattr(batching, "RELEASE_AFTER", 16 << 20)
    before, most = resident_file_pages(), 0
    for x in Batches(images, torch.device("cpu")).in_turn(100):
        assert x[0, 0, 0, 0] == 7 / 255
        most = max(most, resident_file_pages() - before)
    assert most < 40 << 20
    monkeypatch.setattr(batching, "RELEASE_AFTER", 1 << 30)
    for _ in Batches(images, torch.device("cpu")).in_turn(100):
        pass
    assert resident_file_pages() - before > 80 << 20  # or the above would prove nothing
