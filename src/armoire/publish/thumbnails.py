"""Thumbnails for the explorer, many per sheet, neighbours on the map on one sheet."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from jaxtyping import Float, Int, UInt8

from armoire.images import ImageSet
from armoire.images.grid import image_grid, to_pil

TILE = 64  # pixels along a side of a thumbnail, at most
SHEET = 1024  # pixels along a side of a sheet: browsers decode larger ones slowly
QUALITY = 90


def layout(n: int, size: int) -> tuple[int, int]:
    """Side of a thumbnail in pixels, and thumbnails per row and column of a sheet, for n images of `size` pixels."""
    side = min(size, TILE)
    return side, min(SHEET // side, int(np.ceil(np.sqrt(n))))


def make_sheets(images: ImageSet, rows: Int[np.ndarray, " n"], side: int, columns: int) -> Iterator[tuple[int, bytes]]:
    """Sheets of some rows of a set, each as its number of thumbnails and a JPEG."""
    channels = images.shape[2]
    for start in range(0, len(rows), columns * columns):
        part = rows[start : start + columns * columns]
        high = -(-len(part) // columns)
        tiles = np.zeros((high * columns, side, side, channels), np.uint8)
        tiles[: len(part)] = thumbnails(images.images[part], side)
        buffer = BytesIO()
        # Without subsampling, no 8 x 8 block of a JPEG reaches from one tile into the next.
        to_pil(image_grid(tiles, columns, gap=0)).save(buffer, "JPEG", quality=QUALITY, subsampling=0)
        yield len(part), buffer.getvalue()


def in_neighbourhoods(points: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, " n"]:
    """Order (n,) along Morton's curve (1966), so that a zoomed-in page needs few sheets."""
    n = len(points)
    code = np.zeros(n, np.uint64)
    for axis in range(2):
        ranks = np.empty(n, np.uint64)
        ranks[np.argsort(points[:, axis], kind="stable")] = np.arange(n, dtype=np.uint64)
        for bit in range(int(n).bit_length()):
            code |= ((ranks >> np.uint64(bit)) & np.uint64(1)) << np.uint64(2 * bit + axis)
    return np.argsort(code, kind="stable")


def thumbnails(images: UInt8[np.ndarray, "n h w c"], side: int) -> UInt8[np.ndarray, "n s s c"]:
    """Images downscaled by a whole factor, each pixel the mean of a block."""
    n, height, _, channels = images.shape
    factor = height // side
    if factor == 1:
        return images
    parts = images.reshape(n, side, factor, side, factor, channels)
    return np.round(parts.mean(axis=(2, 4), dtype=np.float32)).astype(np.uint8)
