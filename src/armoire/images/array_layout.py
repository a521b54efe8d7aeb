"""Arrays of images in the layouts that programs write, as (n, h, w, c)."""

from __future__ import annotations

import math

import numpy as np

from armoire.errors import ArmoireError
from armoire.images.decode import MAX_PIXELS

CHANNELS = (1, 3, 4)
SMALLEST_FLAT = 8  # side in pixels of the smallest images in rows
CLEARLY = 0.8  # ratio of the differences between rows of pixels, below which a layout of rows is certain
GIVE = "give images as (n, h, w), (n, h, w, c) or (n, c, h, w), c 1, 3 or 4"


def as_images(array: np.ndarray, name: str) -> tuple[np.ndarray, str]:
    """An array as (n, h, w, c), without a copy, and a note where its layout was guessed; ArmoireError for others.

    It is (n, h, w), (n, h, w, c), (n, c, h, w), or rows (n, h * w) or (n, 3 * h * w) of squares; `name` is for
    messages.
    """
    shape, note, what = array.shape, "", f"{name} is an array of {array.shape}"
    if array.ndim == 2:
        array, note = _from_rows(array, what)
    elif array.ndim == 3:
        _refuse_one_image(array, what)
        if shape[0] == shape[1] != shape[2]:
            note = f"{what}, read as {shape[0]} grey images; if it is (height, width, n), transpose(2, 0, 1) it first"
        array = array[..., None]
    elif array.ndim == 4 and shape[3] not in CHANNELS and shape[1] in CHANNELS:
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[3] not in CHANNELS or 0 in array.shape:
        last = "; move the images first with transpose(3, 0, 1, 2)" if array.ndim == 4 and shape[2] in CHANNELS else ""
        raise ArmoireError(f"{what}; {GIVE}{last}")
    if array.shape[1] * array.shape[2] > MAX_PIXELS:
        raise ArmoireError(f"{name} holds images of {array.shape[1]} x {array.shape[2]}, more than 64 million pixels")
    return array, note


def _refuse_one_image(array: np.ndarray, what: str) -> None:
    if array.shape[2] in CHANNELS or array.shape[0] in (1, 3, 4):
        order = "(h, w, c)" if array.shape[2] in CHANNELS else "(c, h, w)"
        raise ArmoireError(
            f"{what}, which is one image {order} or {array.shape[0]} grey images; "
            "give several images as (n, h, w, c), grey ones as images[..., None]"
        )


def _from_rows(rows: np.ndarray, what: str) -> tuple[np.ndarray, str]:
    """Rows of squares as (n, h, w, c), and what they were taken for."""
    n, values = rows.shape
    side = math.isqrt(values)
    if side * side == values and side >= SMALLEST_FLAT and n != values:
        return rows.reshape(n, side, side, 1), f"{what}, read as rows of {side} x {side} grey pixels"
    side = math.isqrt(values // 3)
    if 3 * side * side == values and side >= SMALLEST_FLAT:
        planes = _are_planes(rows, side)
        if planes is not None:
            order = "channel by channel" if planes else "pixel by pixel"
            images = rows.reshape(n, 3, side, side).transpose(0, 2, 3, 1) if planes else rows.reshape(n, side, side, 3)
            return images, f"{what}, read as rows of {side} x {side} colours, {order}"
        give = f"reshape(-1, {side}, {side}, 3), or reshape(-1, 3, {side}, {side}) where each row holds its reds first"
        raise ArmoireError(f"{what}, perhaps rows of {side} x {side} colours; give images.{give}")
    one = "one image, or rows of unknown size" if n > 1 else "one image"
    raise ArmoireError(f"{what}, {one}; {GIVE}")


def _are_planes(rows: np.ndarray, side: int) -> bool | None:
    """Whether colours are in planes, by where the value below a pixel is most like it; None where that is unclear."""
    sample = rows[:: max(1, len(rows) // 256)].astype(np.float64)
    planes, pixels = (np.abs(sample[:, step:] - sample[:, :-step]).mean() for step in (side, 3 * side))
    if min(planes, pixels) >= CLEARLY * max(planes, pixels):
        return None
    return bool(planes < pixels)
