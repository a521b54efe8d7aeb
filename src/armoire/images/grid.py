"""Many pictures in one: the grid in which samples and reconstructions are saved."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from armoire.io.files import write_bytes

PREVIEW_IMAGES, PREVIEW_PIXELS = 18, 900  # images that a notebook shows of many, and how wide they are together at most
# A GIF counts time in hundredths of a second. Its ends are held, to be recognised.
STEP_MILLISECONDS, END_MILLISECONDS = 100, 800


def image_grid(images: UInt8[np.ndarray, "n h w c"], columns: int, gap: int = 2) -> UInt8[np.ndarray, "H W c"]:
    """Lay images out row by row with a white gap between them."""
    n, height, width, channels = images.shape
    columns = max(1, min(columns, n))
    rows = -(-n // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def even_columns(n: int, most: int = 16) -> int:
    """Columns for n images in as few rows of at most `most` as it takes, all rows about equally long."""
    rows = -(-n // most)
    return -(-n // max(1, rows))


def enlargement(images: UInt8[np.ndarray, "n h w c"]) -> int:
    """How much small images are enlarged, a whole number: to be seen without losing a pixel."""
    return max(1, 128 // images.shape[1])


def to_pil(image: UInt8[np.ndarray, "h w c"]) -> Image.Image:
    """An array as a picture."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def png(image: UInt8[np.ndarray, "h w c"], scale: int = 1) -> bytes:
    """An array as the bytes of a PNG, each pixel `scale` pixels wide."""
    buffer = BytesIO()
    _enlarged(to_pil(image), scale).save(buffer, "PNG")
    return buffer.getvalue()


def preview(images: UInt8[np.ndarray, "n h w c"]) -> bytes:
    """A few images in two rows, as the bytes of a PNG about as wide as a page."""
    columns = max(1, -(-len(images) // 2))
    sheet = image_grid(images, columns)
    if (times := PREVIEW_PIXELS // sheet.shape[1]) > 1:
        return png(sheet, times)
    picture, buffer = to_pil(sheet), BytesIO()
    picture.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def gif(images: UInt8[np.ndarray, "n h w c"], scale: int = 1) -> bytes:
    """Images as the bytes of a GIF that goes from the first to the last and back, for ever."""
    # Each frame has 256 colours of its own, undithered: dots that jump from frame to frame would flicker.
    frames = [
        _enlarged(to_pil(image).quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE), scale)
        for image in images
    ]
    loop = frames + frames[-2:0:-1]
    ends = (0, len(frames) - 1)
    durations = [END_MILLISECONDS if i in ends else STEP_MILLISECONDS for i in range(len(loop))]
    buffer = BytesIO()
    loop[0].save(buffer, "GIF", save_all=True, append_images=loop[1:], duration=durations, loop=0)
    return buffer.getvalue()


def _enlarged(picture: Image.Image, scale: int) -> Image.Image:
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def save_png(path: Path, image: UInt8[np.ndarray, "h w c"], scale: int = 1) -> None:
    """Write an array as a PNG, atomically."""
    write_bytes(path, png(image, scale))
