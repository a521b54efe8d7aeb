"""Thumbnails of the images that the explorer shows, many to a sheet, near ones on one sheet."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from armoire.images import ImageSet

TILE = 64  # pixels along a side of a thumbnail, at most
SHEET = 1024  # of a sheet of them: larger ones take a browser long to decode, and hold much that is not in view
QUALITY = 90


def layout(n: int, size: int) -> tuple[int, int]:
    """The side of a thumbnail in pixels, and how many of them a sheet has across and down, for n images of `size`."""
    side = min(size, TILE)
    return side, min(SHEET // side, int(np.ceil(np.sqrt(n))))


def make_sheets(images: ImageSet, rows: Int[np.ndarray, " n"], side: int, columns: int) -> Iterator[tuple[int, bytes]]:
    """The sheets of some rows of a set in their order, as JPEG, each with how many thumbnails are on it."""
    channels = images.shape[2]
    for start in range(0, len(rows), columns * columns):
        part = rows[start : start + columns * columns]
        high = -(-len(part) // columns)
        tiles = np.zeros((high * columns, side, side, channels), np.uint8)
        tiles[: len(part)] = thumbnails(images.images[part], side)
        sheet = tiles.reshape(high, columns, side, side, channels).swapaxes(1, 2)
        sheet = sheet.reshape(high * side, columns * side, channels)
        buffer = BytesIO()
        # Without subsampling, no 8 x 8 block of a JPEG reaches from one tile into the next.
        picture = Image.fromarray(sheet[..., 0] if channels == 1 else sheet)
        picture.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
        yield len(part), buffer.getvalue()


def in_neighbourhoods(points: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, " n"]:
    """An order in which images near each other on the map come near each other in the sheets: Morton's curve (1966).

    So a page that is zoomed in needs few sheets.
    """
    n = len(points)
    code = np.zeros(n, np.uint64)
    for axis in range(2):
        ranks = np.empty(n, np.uint64)
        ranks[np.argsort(points[:, axis], kind="stable")] = np.arange(n, dtype=np.uint64)
        for bit in range(int(n).bit_length()):
            code |= ((ranks >> np.uint64(bit)) & np.uint64(1)) << np.uint64(2 * bit + axis)
    return np.argsort(code, kind="stable")


def thumbnails(images: UInt8[np.ndarray, "n h w c"], side: int) -> UInt8[np.ndarray, "n s s c"]:
    """Images made smaller by a whole factor, each pixel the mean of those it stands for."""
    n, height, _, channels = images.shape
    factor = height // side
    if factor == 1:
        return images
    parts = images.reshape(n, side, factor, side, factor, channels)
    return np.round(parts.mean(axis=(2, 4), dtype=np.float32)).astype(np.uint8)
