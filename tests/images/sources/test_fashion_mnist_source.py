from __future__ import annotations

import gzip
import hashlib
import http.server
import socket
import struct
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from armoire import load_images
from armoire.errors import ArmoireError
from armoire.images.sources import fashion_mnist
from armoire.images.sources.fashion_mnist import load_fashion
from armoire.progress import SILENT

WAYS = (
    r"one of three ways: `apt-get install dataset-fashion-mnist`.*a network connection to .*the four gzipped files in"
)


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


@pytest.fixture
def fakes(monkeypatch, tmp_path) -> dict[str, bytes]:
    """Four small files, unpacked, that armoire takes for the published ones; Debian's package is out of sight."""
    random, files = np.random.default_rng(0), {}
    for prefix, n in (("train", 12), ("t10k", 5)):
        files[f"{prefix}-images-idx3-ubyte"] = idx(random.integers(1, 256, (n, 28, 28), dtype=np.uint8))
        files[f"{prefix}-labels-idx1-ubyte"] = idx((np.arange(n) % 10).astype(np.uint8))
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(fashion_mnist, "FILES", digests)
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "no-such-package")
    return files


@pytest.fixture
def folder(fakes, tmp_path):
    """The fakes, gzipped, in a folder."""
    place = tmp_path / "given"
    place.mkdir()
    for name, content in fakes.items():
        (place / f"{name}.gz").write_bytes(gzip.compress(content))
    return place


@pytest.fixture
def home(folder) -> Iterator[str]:
    """The folder behind a web server; its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *rest, **options):
            super().__init__(*rest, directory=str(folder), **options)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def assert_is_fakes(images, fakes):
    assert images.splits == {"train": 12, "test": 5}
    assert images.images.shape == (17, 32, 32, 1)
    raw = b"".join(fakes[f"{p}-images-idx3-ubyte"][16:] for p in ("train", "t10k"))
    assert np.array_equal(images.images[:, 2:30, 2:30, 0], np.frombuffer(raw, np.uint8).reshape(17, 28, 28))
    assert images.images.sum() == images.images[:, 2:30, 2:30].sum()
    assert images.labels.tolist() == [*(i % 10 for i in range(12)), *range(5)]
    assert images.ids[0] == "train/00000"
    assert images.ids[-1] == "test/00004"


@pytest.mark.parametrize("packed", [True, False])
def test_a_given_folder_and_debians_package(folder, fakes, monkeypatch, tmp_path, packed):
    for name, content in fakes.items() if not packed else ():
        (folder / f"{name}.gz").unlink()
        (folder / name).write_bytes(content)
    monkeypatch.setattr(fashion_mnist, "DEBIAN", folder)
    for number, source in enumerate((f"fashion-mnist:{folder}", folder, "fashion-mnist")):
        monkeypatch.setenv("ARMOIRE_CACHE", str(tmp_path / f"cache {number}"))
        assert_is_fakes(load_images(source), fakes)


def test_the_cache_comes_before_debian(folder, fakes, monkeypatch, cache):
    (cache / "fashion-mnist").mkdir(parents=True)
    for file in folder.iterdir():
        (cache / "fashion-mnist" / file.name).write_bytes(file.read_bytes())
        file.write_bytes(b"")
    monkeypatch.setattr(fashion_mnist, "DEBIAN", folder)
    assert_is_fakes(load_images("fashion-mnist"), fakes)


def test_the_download_is_kept_whole_and_asked_for_once(home, folder, fakes, cache, recorder):
    assert_is_fakes(load_fashion(None, recorder, home), fakes)
    assert sorted(recorder.titles) == sorted([f"downloading {name}.gz" for name in fakes] + ["reading fashion-mnist"])
    kept = cache / "fashion-mnist"
    assert sorted(p.name for p in kept.iterdir()) == sorted(f"{name}.gz" for name in fakes)
    assert all((kept / p.name).read_bytes() == p.read_bytes() for p in folder.iterdir())
    for file in folder.iterdir():
        file.unlink()
    assert_is_fakes(load_fashion(None, SILENT, home), fakes)
    assert_is_fakes(load_fashion(None, SILENT, "http://127.0.0.1:9"), fakes)


def test_the_store_is_opened_without_the_files(folder, fakes, monkeypatch):
    load_images(f"fashion-mnist:{folder}")
    for file in folder.iterdir():
        file.unlink()
    assert_is_fakes(load_images("fashion-mnist"), fakes)


@pytest.mark.parametrize("damage", ["cut", "other", "text", "empty", "missing", "bomb"])
def test_a_damaged_download_is_told_and_not_kept(home, folder, fakes, cache, damage, monkeypatch):
    file = folder / "t10k-images-idx3-ubyte.gz"
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(
            {
                "cut": content[: len(content) // 2],
                "other": gzip.compress(b"x" + fakes["t10k-images-idx3-ubyte"]),
                "text": b"<html>moved</html>",
                "empty": b"",
                "bomb": gzip.compress(b"\0" * 2_000_000),
            }[damage]
        )
    monkeypatch.setattr(fashion_mnist, "LARGEST_FILE", 1_000_000)
    with pytest.raises(ArmoireError, match=WAYS) as caught:
        load_fashion(None, SILENT, home)
    said = str(caught.value)
    assert "t10k-images-idx3-ubyte.gz" in said
    assert "\n" not in said
    assert not (cache / "fashion-mnist" / file.name).exists()
    assert not (cache / "stores").exists()


@pytest.mark.parametrize("damage", ["cut", "other", "text", "missing"])
def test_a_damaged_file_in_a_given_folder_is_told(folder, fakes, damage, cache):
    file = folder / "train-labels-idx1-ubyte.gz"
    sentence = {
        "cut": "is cut short or too large",
        "other": r"is not the published file \(its SHA-256 differs\)",
        "text": "is not a valid gzip file",
        "missing": r"no train-labels-idx1-ubyte\.gz in",
    }[damage]
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        other = gzip.compress(fakes["t10k-labels-idx1-ubyte"])
        file.write_bytes({"cut": content[:-5], "other": other, "text": b"hello"}[damage])
    with pytest.raises(ArmoireError, match=rf"{sentence}.*{WAYS}"):
        load_images(f"fashion-mnist:{folder}")
    assert not (cache / "stores").exists()


def test_no_network_and_a_server_that_talks_nonsense_are_told(fakes, cache):
    with pytest.raises(ArmoireError, match=rf"cannot be downloaded from http://127\.0\.0\.1:9/.*refused.*{WAYS}"):
        load_fashion(None, SILENT, "http://127.0.0.1:9")
    assert not (cache / "stores").exists()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"nonsense\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ArmoireError, match=WAYS):
            load_fashion(None, SILENT, f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()


@pytest.mark.parametrize("size", [64, 16, 0])
def test_another_size_does_not_apply(size):
    with pytest.raises(ArmoireError, match="fashion-mnist is 28 x 28"):
        load_images("fashion-mnist", size=size)


def test_the_real_data(fashion):
    assert fashion.splits == {"train": 60_000, "test": 10_000}
    assert fashion.images.shape == (70_000, 32, 32, 1)
    for split, n in (("train", 6000), ("test", 1000)):
        assert np.bincount(fashion.split(split).labels).tolist() == [n] * 10
    margin = np.ones((32, 32), bool)
    margin[2:30, 2:30] = False
    assert not fashion.images[:, margin].any()
    assert fashion.images.max() == 255
    # mean and standard deviation of the training pixels, as published everywhere: 0.2860 and 0.3530
    inner = fashion.split("train").images[:, 2:30, 2:30]
    assert inner.mean() / 255 == pytest.approx(0.2860, abs=1e-4)
    assert fashion.info.classes[0] == "T-shirt/top"
    assert fashion.info.classes[9] == "Ankle boot"
    assert fashion.labels[:3].tolist() == [9, 0, 0]
