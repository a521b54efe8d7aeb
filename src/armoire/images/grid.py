"""Grids of images, PNG and GIF: the form in which samples and reconstructions are saved."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from armoire.io.files import write_bytes

PREVIEW_IMAGES, PREVIEW_PIXELS = 18, 900  # images that a notebook shows of a set, and their largest width together
# A GIF counts time in hundredths of a second; its ends stay longer, to be recognised.
STEP_MILLISECONDS, END_MILLISECONDS = 100, 800


def image_grid(images: UInt8[np.ndarray, "n h w c"], columns: int, gap: int = 2) -> UInt8[np.ndarray, "H W c"]:
    """Images in rows of `columns`, with a white gap of `gap` pixels between them."""
    n, height, width, channels = images.shape
    columns = max(1, min(columns, n))
    rows = -(-n // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def even_columns(n: int, most: int = 16) -> int:
    """Number of columns that spreads n images evenly over the fewest rows of at most `most` images."""
    rows = -(-n // most)
    return -(-n // max(1, rows))


def enlargement(images: UInt8[np.ndarray, "n h w c"]) -> int:
    """Integer factor by which small images are enlarged, so that their pixels are visible."""
    return max(1, 128 // images.shape[1])


def to_pil(image: UInt8[np.ndarray, "h w c"]) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def png(image: UInt8[np.ndarray, "h w c"], scale: int = 1) -> bytes:
    """The bytes of a PNG, each pixel enlarged to `scale` x `scale`."""
    buffer = BytesIO()
    _enlarged(to_pil(image), scale).save(buffer, "PNG")
    return buffer.getvalue()


def preview(images: UInt8[np.ndarray, "n h w c"]) -> bytes:
    """The bytes of a PNG that shows a few images in two rows, at most `PREVIEW_PIXELS` wide."""
    columns = max(1, -(-len(images) // 2))
    sheet = image_grid(images, columns)
    if (times := PREVIEW_PIXELS // sheet.shape[1]) > 1:
        return png(sheet, times)
    picture, buffer = to_pil(sheet), BytesIO()
    picture.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def gif(images: UInt8[np.ndarray, "n h w c"], scale: int = 1) -> bytes:
    """The bytes of a GIF that runs from the first image to the last and back, in a loop."""
    # Each frame has its own palette of 256 colours, undithered: dithering would flicker from frame to frame.
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
    write_bytes(path, png(image, scale))
