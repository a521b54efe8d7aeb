"""HEIC, as phones store photographs: read where pillow-heif is installed, and named where it is not."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from armoire.images import load_images
from armoire.images.decode import RejectedImageError, read_image

pillow_heif = pytest.importorskip("pillow_heif")


def photograph(seed: int = 0, size: tuple[int, int] = (96, 64)) -> Image.Image:
    small = np.random.default_rng(seed).integers(60, 200, (4, 6, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def heic(image: Image.Image, **options) -> bytes:
    file = BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=90, **options)
    return file.getvalue()


def folder_of(tmp_path: Path, n: int = 12) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for k in range(n):
        (folder / f"IMG_{k:04d}.HEIC").write_bytes(heic(photograph(k)))
    return folder


def test_the_pixels():
    image = photograph()
    difference = np.asarray(read_image(BytesIO(heic(image)))).astype(int) - np.asarray(image)
    assert np.abs(difference).mean() < 4  # it is a lossy format


def test_the_file_says_which_side_is_up_and_not_its_exif():
    """The decoder turns a HEIC by its own property; its EXIF repeats that, and would turn it twice."""
    exif, file = Image.Exif(), BytesIO()
    exif[0x0112] = 6
    pillow_heif.register_heif_opener()
    photograph().save(file, "HEIF", exif=exif)
    assert read_image(BytesIO(file.getvalue())).size == (96, 64)


def test_a_folder(tmp_path):
    images = load_images(folder_of(tmp_path), size=32)
    assert len(images) == 12 and not images.info.rejected


def test_half_a_file_is_damaged(tmp_path):
    folder = folder_of(tmp_path)
    whole = (folder / "IMG_0000.HEIC").read_bytes()
    (folder / "IMG_0000.HEIC").write_bytes(whole[: len(whole) // 2])
    assert load_images(folder, size=32).info.rejected == 1


def test_without_the_package_the_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    folder = folder_of(tmp_path)
    photograph().save(folder / "one.png")
    photograph(5).save(folder / "two.png")
    with pytest.raises(RejectedImageError, match="HEIC"):
        read_image(BytesIO((folder / "IMG_0000.HEIC").read_bytes()))
    images = load_images(folder, size=32)
    assert images.info.rejected == 12
    reasons = (images.store / "rejected.csv").read_text()
    assert "HEIC" in reasons and "pip install" in reasons
