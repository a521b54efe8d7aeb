"""Fashion-MNIST: 70,000 grey images of 28 x 28 pixels of garments in ten classes.

Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
arXiv:1708.07747.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from armoire.errors import ArmoireError
from armoire.images.columns import FREE, Columns
from armoire.images.fit import Fit
from armoire.images.imageset import ImageSet
from armoire.images.packing import pack
from armoire.images.source import Request, Source, SourceKind
from armoire.images.sources.arrays import ArrayRows, SplitImages
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
PREFIXES = {"train": "train", "t10k": "test"}  # of the files, and the split in each
LARGEST_FILE = 64_000_000  # bytes unpacked; the largest real one has 47,040,016


class FashionSource(ArrayRows):
    """Fashion-MNIST from `folder`, else from the cache, Debian's package or the web at `home`."""

    def __init__(self, folder: Path | None, progress: Progress, home: str = HOME) -> None:
        digests = [digest.encode() for digest in FILES.values()]
        super().__init__(NAME, NAME, sha256(*digests))
        self.channels, self.splits_are_final = 1, True
        self._content = partial(_unpacked, folder=folder, progress=progress, home=home)
        if folder is not None:
            self.describe()  # its files are checked even where the store exists

    @cached_property
    def splits(self) -> Sequence[SplitImages]:
        images = {prefix: _idx(self._content(f"{prefix}-images-idx3-ubyte"), 3) for prefix in PREFIXES}
        return [SplitImages(None, pixels[..., None], prefix) for prefix, pixels in images.items()]

    def list_ids(self) -> Sequence[str]:
        return [
            f"{name}/{i:05d}"
            for name, split in zip(PREFIXES.values(), self.splits, strict=True)
            for i in range(len(split.images))
        ]

    def describe(self) -> Columns:
        labels = np.concatenate([_idx(self._content(f"{prefix}-labels-idx1-ubyte"), 1) for prefix in PREFIXES])
        return Columns([name.partition("/")[0] for name in self.ids], [CLASSES[i] for i in labels], classes=CLASSES)

    def fit(self, wanted: Fit) -> Fit:
        return Fit(size=28, background=(0, 0, 0), channels=1)


def load_fashion(folder: Path | None, progress: Progress, home: str = HOME) -> ImageSet:
    """Fashion-MNIST, padded to 32 x 32; see FashionSource."""
    return pack(FashionSource(folder, progress, home), Fit(28), None, FREE, progress)


def is_fashion(folder: Path) -> bool:
    """Whether a folder has the four files, gzipped or not."""
    return all((folder / f"{name}.gz").is_file() or (folder / name).is_file() for name in FILES)


def _open(request: Request) -> Source:
    if request.size not in (None, 28, 32):
        raise ArmoireError(f"fashion-mnist is 28 x 28, padded to 32; a size of {request.size} does not apply to it")
    folder = Path(request.argument).expanduser() if request.argument else request.path if request.listing else None
    return FashionSource(folder, request.progress)


FASHION_MNIST = SourceKind(
    NAME, _open, lambda path, _listing: path.is_dir() and is_fashion(path), named=True, argument_is_path=True
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
