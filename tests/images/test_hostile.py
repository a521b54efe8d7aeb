"""Some 550 files that somebody broke, or made to break something: read to the end, each named with its reason."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from data_sets import rejected, saved
from PIL import Image

from armoire import load_images

PLACES = 20  # at which each is cut
FLIPS = 12  # copies of each with some bytes changed
MOST_GROWN = 256  # MB

READ = """
import json, resource, sys
from armoire.images import load_images
load_images(sys.argv[1], size=32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
images = load_images(sys.argv[2], size=32)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps({"grown": grown / 1024, "store": str(images.store), "ids": images.ids}))
"""


def noise(seed: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    return saved(image, kind, **options).getvalue()


def sound() -> dict[str, bytes]:
    """One picture in every way that is read."""
    image = noise(1)
    grey16 = Image.fromarray(np.random.default_rng(2).integers(0, 1 << 16, (30, 40), dtype=np.uint16))
    frames = [noise(seed) for seed in range(3)]
    return {
        "baseline.jpg": encoded(image, "JPEG"),
        "progressive.jpg": encoded(image, "JPEG", progressive=True),
        "cmyk.jpg": encoded(image.convert("CMYK"), "JPEG"),
        "rgb.png": encoded(image, "PNG"),
        "grey16.png": encoded(grey16, "PNG"),
        "palette.png": encoded(image.quantize(16), "PNG"),
        "lossy.webp": encoded(image, "WEBP"),
        "lossless.webp": encoded(image, "WEBP", lossless=True),
        "moving.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "moving.webp": encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
        "plain.bmp": encoded(image, "BMP"),
        "lzw.tiff": encoded(image, "TIFF", compression="tiff_lzw"),
        "raw.tiff": encoded(image, "TIFF"),
        "pages.tiff": encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]),
    }


def png_of(width: int, height: int, depth: int = 8, kind: int = 2, rows: bytes = b"") -> bytes:
    """A PNG that promises a size, with the rows given."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def bombs() -> dict[str, bytes]:
    """Small files that promise 900 megapixels, or as many as their format can."""
    gif, bmp, tiff, webp = (bytearray(sound()[name]) for name in ("moving.gif", "plain.bmp", "raw.tiff", "lossy.webp"))
    gif[6:10] = struct.pack("<HH", 65_535, 65_535)
    bmp[18:26] = struct.pack("<ii", 30_000, 30_000)
    for tag in (256, 257):  # ImageWidth and ImageLength, as LONG
        at = tiff.index(struct.pack("<H", tag), 8)
        tiff[at + 2 : at + 12] = struct.pack("<HII", 4, 1, 30_000)
    webp[26:30] = struct.pack("<HH", 16_383, 16_383)
    extended = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + b"\xff\x7f\0" * 2
    vp8x = b"RIFF" + struct.pack("<I", 4 + len(extended) + len(webp) - 12) + b"WEBP" + extended + bytes(webp[12:])
    jpeg = bytearray(sound()["baseline.jpg"])
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    deep = zlib.compress(b"\0" * 1_000_000)
    text = b"zTXt" + b"Comment\0\0" + deep
    zipped_text = png_of(16, 16, rows=b"\0" * 49 * 16)
    zipped_text = (
        zipped_text[:33]
        + struct.pack(">I", len(text) - 4)
        + text
        + struct.pack(">I", zlib.crc32(text))
        + zipped_text[33:]
    )
    return {
        "bomb.png": png_of(30_000, 30_000, rows=b"\0" * 90_001 * 20),
        "bomb-1-bit.png": png_of(30_000, 30_000, 1, 0, rows=b"\0" * 3751 * 20),
        "widest.png": png_of(2**31 - 1, 1),
        "bomb.gif": bytes(gif),
        "bomb.bmp": bytes(bmp),
        "bomb.tiff": bytes(tiff),
        "bomb.webp": bytes(webp),
        "bomb-extended.webp": vp8x,
        "bomb.jpg": bytes(jpeg),
        "text.png": zipped_text,
    }


def with_exif(seed: int) -> bytes:
    random = np.random.default_rng(seed)
    exif = b"Exif\0\0" + (b"MM\0*\0\0\0\x08" if seed % 2 else b"II*\0\x08\0\0\0") + random.bytes(60)
    return encoded(noise(seed), "JPEG", exif=exif)


def odd() -> dict[str, bytes]:
    """Sound pictures that are not what they seem, and names that some systems stumble over."""
    pictures = sound()
    rgba = Image.fromarray(np.random.default_rng(3).integers(0, 256, (20, 20, 4), dtype=np.uint8))
    names = [
        "écharpe.png",
        "옷장.png",
        "衣柜.png",
        "шкаф.png",
        "خزانة.png",
        "a b  c.png",
        "'\"$;`.png",
        "x" * 200 + ".png",
    ]
    return {
        "tiff.png": pictures["raw.tiff"],
        "jpeg.gif": pictures["baseline.jpg"],
        "no-ending": pictures["rgb.png"],
        "float.tiff": encoded(Image.fromarray(np.zeros((20, 20), np.float32)), "TIFF"),
        "alpha.png": encoded(rgba, "PNG"),
        "one-pixel.png": encoded(noise(4, (1, 1)), "PNG"),
        "thin.png": encoded(noise(5, (1, 3000)), "PNG"),
        "deflate.tiff": encoded(noise(6), "TIFF", compression="tiff_deflate"),
        "empty.png": b"",
        "text.jpg": b"hello",
        "page.png": b"<html>",
        "vector.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "code.png": b"#!/bin/sh\nrm -rf /\n",
        "pickle.jpg": b"\x80\x04\x95\x1a\x00\x00\x00",
        "photoshop.png": b"8BPS\0\x01" + b"\0" * 30,
        "script.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        "icon.png": encoded(noise(7, (32, 32)), "ICO"),
        "zeros.png": b"\0" * 5000,
        "riff.webp": b"RIFF\xff\xff\xff\xffWEBP",
        **{name: encoded(noise(i), "PNG") for i, name in enumerate(names)},
        **{f"exif-{seed}.jpg": with_exif(seed) for seed in range(12)},
    }


def hostile_files() -> dict[str, bytes]:
    files = odd() | bombs()
    for name, content in sound().items():
        stem, _, ending = name.partition(".")
        files[f"whole-{name}"] = content
        for i in range(PLACES):
            files[f"cut-{stem}-{i:02d}.{ending}"] = content[: len(content) * i // PLACES]
        for i in range(FLIPS):
            random = np.random.default_rng(i)
            changed = bytearray(content)
            for at in random.integers(8, len(content), 6):
                changed[at] = random.integers(0, 256)
            files[f"flipped-{stem}-{i:02d}.{ending}"] = bytes(changed)
    return files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hostile") / "files"
    place.mkdir()
    for name, content in hostile_files().items():
        (place / name).write_bytes(content)
    (place / "zero.png").symlink_to("/dev/zero")
    (place / "random.jpg").symlink_to("/dev/urandom")
    (place / "full.png").symlink_to("/dev/full")
    (place / "broken.png").symlink_to("nowhere.png")
    (place / "loop-a.png").symlink_to("loop-b.png")
    (place / "loop-b.png").symlink_to("loop-a.png")
    (place / "around").symlink_to("..")
    (place / "self").symlink_to(".")
    os.mkfifo(place / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(place)  # a socket's name is short
        try:
            listener.bind("socket.png")
        finally:
            os.chdir(here)
    secret = place / "secret.png"
    secret.write_bytes(sound()["rgb.png"])
    secret.chmod(0)
    return place


def read_alone(few: Path, folder: Path, cache: Path) -> dict:
    """What became of the images in a folder, read after a few others in a process whose memory is measured."""
    done = subprocess.run(
        [sys.executable, "-c", READ, few, folder],
        env=os.environ | {"ARMOIRE_CACHE": str(cache)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def read(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    base = tmp_path_factory.mktemp("base")
    few = base / "few"
    few.mkdir()
    for seed in range(4):
        noise(seed).save(few / f"{seed}.png")
    found = read_alone(few, folder, base / "cache")
    return found | {"rejected": rejected(Path(found["store"]))}


def test_each_is_read_or_named_with_its_reason(folder, read):
    assert len(hostile_files()) >= 500
    there = {path.name for path in folder.iterdir()} - {"around", "self"}
    assert set(read["ids"]) | set(read["rejected"]) == there
    assert not set(read["ids"]) & set(read["rejected"])
    assert all(0 < len(reason) < 200 and "\n" not in reason for reason in read["rejected"].values())


def test_what_is_sound_is_read(read):
    assert {f"whole-{name}" for name in sound()} <= set(read["ids"])
    assert {"옷장.png", "thin.png", "tiff.png", "no-ending", "alpha.png"} <= set(read["ids"])
    assert {f"exif-{seed}.jpg" for seed in range(12)} <= set(read["ids"])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        *((name, "64 million pixels") for name in bombs() if name not in ("text.png", "bomb.webp")),
        ("empty.png", "empty file"),
        ("text.jpg", "not a JPEG, PNG, WEBP, BMP, GIF, TIFF or HEIC image"),
        *((name, "not a JPEG") for name in ("vector.png", "script.png", "photoshop.png", "icon.png", "pickle.jpg")),
        ("float.tiff", "floating-point pixels"),
        ("pipe.png", "not a regular file"),
        ("socket.png", "not a regular file"),
        ("zero.png", "not a regular file"),
        ("broken.png", "No such file"),
        ("loop-a.png", "symbolic links"),
    ],
)
def test_reasons(read, name, reason):
    assert reason in read["rejected"][name]


def test_memory_stays_bounded(read):
    assert read["grown"] < MOST_GROWN


def test_the_largest_that_are_read_take_bounded_memory(tmp_path):
    """56 megapixels in colour and 64 in grey, all of one colour, so that the files are small."""
    few, large = tmp_path / "few", tmp_path / "large"
    for place in (few, large):
        place.mkdir()
        for seed in range(2):
            noise(seed).save(place / f"{seed}.png")
    Image.new("RGB", (7_400, 7_400), (9, 99, 199)).save(large / "colour.png", compress_level=1)
    Image.new("L", (8_000, 8_000), 7).save(large / "grey.png", compress_level=1)
    Image.new("P", (8_000, 8_000), 7).save(large / "palette.png", compress_level=1)
    Image.new("RGB", (7_900, 8_000)).save(large / "too-large.png", compress_level=1)
    Image.new("RGB", (8_000, 8_000), (9, 99, 199)).save(large / "photo.jpg")
    Image.new("RGB", (5_000, 5_000)).save(large / "large.webp")
    found = read_alone(few, large, tmp_path / "cache")
    assert {"colour.png", "grey.png", "palette.png", "photo.jpg"} <= set(found["ids"])
    reasons = rejected(Path(found["store"]))
    assert set(reasons) == {"too-large.png", "large.webp"}
    assert all("MB of memory" in reason for reason in reasons.values())
    assert found["grown"] < MOST_GROWN


def test_archives_with_names_that_lead_out(tmp_path, monkeypatch):
    monkeypatch.setenv("ARMOIRE_CACHE", str(tmp_path / "cache"))
    archive = tmp_path / "pictures.zip"
    pictures = [encoded(noise(seed), "PNG") for seed in range(8)]
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (0o120777 & 0xFFFF) << 16
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        names = ["a.png", "../b.png", "/etc/c.png", "x\\..\\d.png", "C:\\e.png", "x/../../f.png", "옷.png", "con.png"]
        for name, content in zip(names, pictures, strict=True):
            file.writestr(name, content)
        file.writestr(link, "/etc/passwd")
        file.writestr("bomb.png", bombs()["bomb.png"])
        file.writestr("zeros.png", b"\0" * 300_000_000)
    before = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    images = load_images(archive, size=32)
    assert len(images) == len(names)
    reasons = rejected(images.store)
    assert set(reasons) == {"bomb.png", "zeros.png"}
    assert [item.name for item in images.reading.ignored if "link" in item.reason] == ["link.png"]
    assert "more than 256,000,000" in reasons["zeros.png"]
    assert {path for path in tmp_path.rglob("*") if "cache" not in path.parts} == before
