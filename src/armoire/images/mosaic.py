"""Many pictures in one: the grid in which samples and reconstructions are saved."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from armoire.files import write_bytes


def mosaic(images: UInt8[np.ndarray, "n h w c"], columns: int, gap: int = 2) -> UInt8[np.ndarray, "H W c"]:
    """Lay images out row by row with a white gap between them."""
    n, height, width, channels = images.shape
    columns = max(1, min(columns, n))
    rows = -(-n // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def to_pil(image: UInt8[np.ndarray, "h w c"]) -> Image.Image:
    """An array as a picture."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def png(image: UInt8[np.ndarray, "h w c"], scale: int = 1) -> bytes:
    """An array as the bytes of a PNG, each pixel `scale` pixels wide."""
    picture, buffer = to_pil(image), BytesIO()
    picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def save_png(path: Path, image: UInt8[np.ndarray, "h w c"], scale: int = 1) -> None:
    """Write an array as a PNG, atomically."""
    write_bytes(path, png(image, scale))
