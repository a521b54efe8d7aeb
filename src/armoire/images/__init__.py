"""Pictures in: sources, decoding, the packed store; what comes out is an ImageSet."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from armoire.errors import ArmoireError, did_you_mean
from armoire.images.fit import Fit, How, parse_colour
from armoire.images.imageset import ImageSet, SetInfo, fingerprint, make_table, split_by_content
from armoire.images.inputs import Images, open_image, stack_images
from armoire.progress import USUAL, Progress

if TYPE_CHECKING:
    from armoire.images.listing import FileListing

__all__ = ["Fit", "ImageSet", "Images", "SetInfo", "from_array", "load_images", "open_image"]

DEFAULT_SIZE = 64
BLACK = (0, 0, 0)
HUB = "hf"


def load_images(
    source: str | Path,
    size: int | None = None,
    fit: How = "crop",
    background: str = "white",
    progress: Progress = USUAL,
    channels: int | None = None,
) -> ImageSet:
    """Open a data set, packing it into the cache the first time.

    Args:
        source: `fashion-mnist`, `fashion-mnist:FOLDER`, `celeba:PATH`, `drawn-faces` (5,000 of them;
            `drawn-faces:N` for N), or the path of a folder or zip of images, with or without tables beside them; of
            Parquet or Arrow files; of WebDataset tars; or of a .npy or .npz file. `hf:OWNER/NAME` is a data set
            of the Hugging Face Hub (`hf:OWNER/NAME:CONFIG` where it holds several), fetched once a commit.
        size: side that pictures are fitted to, 16 to 256 pixels (default 64), then padded with background to a
            power of two.
        fit: what is done to a folder's pictures that are not square: `crop`, `pad` or `stretch`. Those of CelebA are
            stretched, whatever is asked for.
        background: colour under transparent pixels and in padding, a CSS name or #rrggbb.
        progress: where to report; how many files could not be read, too.
        channels: 1 or 3; by default 1 where every picture is grey, else 3.

    Raises:
        ArmoireError: the source does not exist or holds no readable image.
    """
    images = _load(source, size, fit, background, progress, channels)
    if images.rejections:
        progress.note(images.rejections)
    return images


def _load(
    source: str | Path, size: int | None, fit: How, background: str, progress: Progress, channels: int | None
) -> ImageSet:
    from armoire.images.sources import celeba, drawn_faces, fashion_mnist

    name, _, rest = str(source).partition(":")
    path = Path(rest if rest and name in (fashion_mnist.NAME, celeba.NAME) else source).expanduser()
    if name == fashion_mnist.NAME or (path.is_dir() and fashion_mnist.is_fashion(path)):
        if size not in (None, 28, 32):
            raise ArmoireError(f"fashion-mnist is 28 x 28, padded to 32; a size of {size} does not apply to it")
        return fashion_mnist.load_fashion(None if str(source) == fashion_mnist.NAME else path, progress)
    size = DEFAULT_SIZE if size is None else size
    if name == HUB:
        from armoire.hub.data import fetch_data, parse_data

        if (wanted := parse_data(str(source))) is not None:
            folder, exactly = fetch_data(wanted, progress)
            return _load_path(folder, Fit(size, fit, parse_colour(background)), progress, channels, str(exactly))
    if name == drawn_faces.NAME:
        return drawn_faces.load_drawn(drawn_faces.parse_number(rest), size, progress, channels)
    if not path.exists():
        raise ArmoireError(f"no data at '{source}'; {_advice(name)}")
    if name == celeba.NAME and rest:
        return celeba.load_celeba(path, size, progress, channels)
    return _load_path(path, Fit(size, fit, parse_colour(background)), progress, channels)


def _load_path(path: Path, fit: Fit, progress: Progress, channels: int | None, source: str = "") -> ImageSet:
    """Whatever lies at a path, by the names of its files; `source` is what to give for it, by default the path."""
    from armoire.images import sidecar
    from armoire.images.sources import arrays, folder, tables, webdataset
    from armoire.images.sources import source as packing

    if path.is_file() and path.name.lower().endswith(webdataset.PACKED):
        raise ArmoireError(f"{path} is compressed, and pictures are so already; unpack it to a .tar, or a folder")
    listing = list_files(path)
    whole = path.resolve()
    root = whole.parent if whole.is_file() else whole
    digest = listing.digest
    if not listing.names:
        raise ArmoireError(f"no images in {path}; give a folder or zip of JPEG, PNG, WEBP, BMP, GIF or TIFF files")
    if tables.are_tables(listing.names):
        read = partial(tables.read_rows, root, listing.names)
    elif webdataset.are_tars(listing.names):
        read = partial(webdataset.read_tars, root, listing.names, progress.note)
    elif whole.is_file() and arrays.is_array(whole.name):
        read = partial(arrays.read_arrays, whole)
    else:
        read = partial(folder.read_pictures, listing, progress.note)
        digest = sidecar.digest_with_tables(listing)
    return packing.pack_source(whole, source or str(whole), digest, read, fit, progress, channels)


def list_files(path: Path) -> FileListing:
    """The files of a folder or zip; of a file that holds many pictures otherwise, that file."""
    from armoire.images import listing

    return listing.list_one(path) if path.is_file() and needs_packing([path.name]) else listing.list_source(path)


def needs_packing(names: Sequence[str]) -> bool:
    """Whether files are of a kind that can be read as a whole only, not part by part."""
    from armoire.images.sources import arrays, tables, webdataset

    return tables.are_tables(names) or webdataset.are_tars(names) or (len(names) == 1 and arrays.is_array(names[0]))


def _advice(name: str) -> str:
    from armoire.images.sources import celeba, drawn_faces, fashion_mnist

    if name == celeba.NAME:
        return celeba.HOW_TO_GIVE
    known = [fashion_mnist.NAME, drawn_faces.NAME]
    if difflib.get_close_matches(name, known):
        return did_you_mean(name, known)
    return f"give {', '.join(known)}, {celeba.NAME}:PATH, hf:OWNER/NAME, or a folder or file of images"


def from_array(images: Images, labels: Any = None, classes: tuple[str, ...] = (), name: str = "array") -> ImageSet:
    """An ImageSet over images in memory; 10 % of it, chosen by content, is held out as the test split.

    Args:
        images: uint8 (n, h, h) or (n, h, h, c), c 1 to 4, h from 16 to 256, padded with black to a power of two; or a
            list of images of one size. Alpha, the last channel of 2 or 4, is composited on black.
        labels: n class numbers, or None.
        classes: names of the classes.
        name: how to call the set.
    """
    stacked = stack_images(images, BLACK)
    if stacked.shape[1] != stacked.shape[2] or len(stacked) < 2:
        raise ArmoireError(f"images must be at least 2 and square, not {stacked.shape}")
    fit = Fit(stacked.shape[1], background=BLACK, channels=stacked.shape[3])
    pixels = centred(stacked, fit.canvas)
    splits = [split_by_content(image.tobytes()) for image in pixels]
    if len(set(splits)) < 2:
        splits = ["train"] * (len(splits) - 1) + ["test"]
    order = np.argsort([split == "test" for split in splits], kind="stable")
    given = [None] * len(pixels) if labels is None else [int(label) for label in labels]
    table = make_table([f"{i:06d}" for i in order], [splits[i] for i in order], [given[i] for i in order])
    pixels = pixels[order]
    return ImageSet(pixels, table, SetInfo(name, "", fit, tuple(classes), fingerprint(pixels, table)))


def centred(images: UInt8[np.ndarray, "n h w c"], side: int) -> UInt8[np.ndarray, "n side side c"]:
    """Images in the middle of squares of `side` pixels, black around them; of an odd margin the end has more."""
    margins = [((side - length) // 2, (side - length + 1) // 2) for length in images.shape[1:3]]
    return np.pad(images, ((0, 0), *margins, (0, 0)))
