"""Fashion-MNIST: 70,000 grey images of 28 x 28 pixels of garments in ten classes.

Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
arXiv:1708.07747.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from armoire.errors import ArmoireError
from armoire.images.fit import Fit
from armoire.images.imageset import ImageSet, SetInfo, make_table
from armoire.images.sources.source import Request, SourceKind
from armoire.images.store import open_store, store_path, write_store
from armoire.io.files import cache_folder, sha256, write_bytes
from armoire.progress import Progress

NAME = "fashion-mnist"
CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
HOME = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion"
# SHA-256 of the unpacked files: gzip headers differ between mirrors.
FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
LARGEST_FILE = 64_000_000  # bytes unpacked; the largest real one has 47,040,016


def load_fashion(folder: Path | None, progress: Progress, home: str = HOME) -> ImageSet:
    """Fashion-MNIST from `folder`, else from the cache, Debian's package or the web at `home`, padded to 32 x 32."""
    store = store_path(NAME, sha256(*(digest.encode() for digest in FILES.values())))
    if folder is None and (ready := open_store(store)):
        return ready
    raw = {name: _unpacked(name, folder, progress, home) for name in FILES}
    fit = Fit(size=28, background=(0, 0, 0), channels=1)
    pixels, labels, ids, splits = [], [], [], []
    for prefix, split in (("train", "train"), ("t10k", "test")):
        pixels.append(_idx(raw[f"{prefix}-images-idx3-ubyte"], 3))
        labels += _idx(raw[f"{prefix}-labels-idx1-ubyte"], 1).tolist()
        ids += [f"{split}/{i:05d}" for i in range(len(pixels[-1]))]
        splits += [split] * len(pixels[-1])
    margin = (fit.canvas - fit.size) // 2
    images = np.pad(np.concatenate(pixels), ((0, 0), (margin, margin), (margin, margin)))[..., None]
    return write_store(store, images, make_table(ids, splits, labels), SetInfo(NAME, NAME, fit, CLASSES))


def is_fashion(folder: Path) -> bool:
    """Whether a folder has the four files, gzipped or not."""
    return all((folder / f"{name}.gz").is_file() or (folder / name).is_file() for name in FILES)


def _load(request: Request) -> ImageSet:
    if request.size not in (None, 28, 32):
        raise ArmoireError(f"fashion-mnist is 28 x 28, padded to 32; a size of {request.size} does not apply to it")
    folder = Path(request.argument).expanduser() if request.argument else request.path if request.listing else None
    return load_fashion(folder, request.progress)


FASHION_MNIST = SourceKind(
    NAME, _load, lambda path, _names: path.is_dir() and is_fashion(path), named=True, argument_is_path=True
)


def _unpacked(name: str, folder: Path | None, progress: Progress, home: str) -> bytes:
    cache = cache_folder() / NAME
    for parent in [folder] if folder else [cache, DEBIAN]:
        for path in (parent / f"{name}.gz", parent / name):
            if path.is_file():
                try:
                    return _checked(path, path.read_bytes())
                except ArmoireError as error:
                    if folder:
                        raise
                    progress.note(f"skipping a file: {error}")
    if folder and not folder.is_dir():
        raise ArmoireError(f"no folder {folder}; {ways_to_get_it()}")
    if folder:
        raise ArmoireError(f"no {name}.gz in {folder}; {ways_to_get_it()}")
    packed = _download(f"{home}/{name}.gz", progress)
    content = _checked(Path(f"{name}.gz"), packed)
    write_bytes(cache / f"{name}.gz", packed)
    return content


def _checked(path: Path, content: bytes) -> bytes:
    name = path.name.removesuffix(".gz")
    if path.suffix == ".gz":
        try:
            unpacker = zlib.decompressobj(wbits=31)
            content = unpacker.decompress(content, LARGEST_FILE)
        except zlib.error as error:
            raise ArmoireError(f"{path} is not a valid gzip file ({error}); {ways_to_get_it()}") from None
        if not unpacker.eof:
            raise ArmoireError(f"{path} is cut short or too large; {ways_to_get_it()}")
    if sha256(content) != FILES[name]:
        raise ArmoireError(f"{path} is not the published file (its SHA-256 differs); {ways_to_get_it()}")
    return content


def _download(url: str, progress: Progress) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            size = int(answer.headers.get("Content-Length") or 0) or None
            received = bytearray()
            with progress.task(f"downloading {url.rpartition('/')[2]}", size, "bytes", rate=True) as task:
                while (block := answer.read(1 << 16)) and len(received) <= LARGEST_FILE:
                    received += block
                    task.advance(len(block))
            return bytes(received)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        reason = getattr(error, "reason", error)
        raise ArmoireError(f"Fashion-MNIST cannot be downloaded from {url} ({reason}); {ways_to_get_it()}") from None


def ways_to_get_it() -> str:
    """The end of an error message: how to get the four files."""
    return (
        "get it in one of three ways: `apt-get install dataset-fashion-mnist` on Debian or Ubuntu, a network "
        f"connection to {HOME.split('/')[2]}, or the four gzipped files in {cache_folder() / NAME} "
        f"(or anywhere, with --data {NAME}:FOLDER)"
    )


def _idx(content: bytes, dimensions: int) -> UInt8[np.ndarray, "*sides"]:
    """Read the IDX format: two zero bytes, type 8 (uint8), the number of dimensions, big-endian sizes, values."""
    shape = np.frombuffer(content, ">u4", count=dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape.tolist())
