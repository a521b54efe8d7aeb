"""Fit images of any size and mode to the square that a model takes."""

from __future__ import annotations

import contextlib
import errno
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageColor, ImageOps

from armoire.errors import ArmoireError
from armoire.images.bit_depth import WHITE
from armoire.images.decode import OpenFile, RejectedImageError, read_image
from armoire.io.files import parse_json

SMALLEST, LARGEST = 16, 256
# Errors of a disk or network, which are no fault of the image.
TRANSIENT = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOTCONN}

AUTOMATIC = "auto"  # background that the images decide, see `examine`

How = Literal["crop", "pad", "stretch"]

#: Returns the fitted pixels of one image, uint8 (h, w, c); raises RejectedImageError.
Decode = Callable[["Fit"], np.ndarray]


@dataclass(frozen=True)
class Fit:
    """How images are fitted to a square canvas, so that new images are treated as the training data were.

    Attributes:
        size: side in pixels of the square that an image is resized to (bilinear with antialiasing).
        how: `crop` takes the largest centred square, `pad` adds background to make a square, `stretch` does neither.
        background: colour under transparent pixels and in padding, an RGB triple in 0..255.
        channels: 1 (grey, ITU-R 601-2 luma) or 3 (RGB).
        white: value of white in grey files of more than 8 bits.
    """

    size: int
    how: How = "crop"
    background: tuple[int, int, int] = (255, 255, 255)
    channels: int = 3
    white: int = WHITE

    def __post_init__(self) -> None:
        if not SMALLEST <= self.size <= LARGEST:
            raise ArmoireError(f"the image size must be {SMALLEST} to {LARGEST} pixels, not {self.size}")

    @property
    def colours(self) -> str:
        return "grey" if self.channels == 1 else "colour"

    @property
    def canvas(self) -> int:
        """Side of the stored image in pixels: `size` padded with background to the next power of two."""
        return 1 << (self.size - 1).bit_length()

    @property
    def background_hex(self) -> str:
        return "#{:02x}{:02x}{:02x}".format(*self.background)

    def __call__(self, image: Image.Image) -> UInt8[np.ndarray, "h w c"]:
        """Fit one decoded image; returns (canvas, canvas, channels)."""
        image = flatten(image, self.background)
        if self.how == "crop":
            image = ImageOps.fit(image, (self.size, self.size), Image.Resampling.BILINEAR)
        elif self.how == "pad":
            image = ImageOps.pad(image, (self.size, self.size), Image.Resampling.BILINEAR, color=self._fill(image))
        elif image.size != (self.size, self.size):
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        mode = "L" if self.channels == 1 else "RGB"
        image = image if image.mode == mode else image.convert(mode)
        margin = self.canvas - self.size
        if margin:
            before, after = margin // 2, margin - margin // 2
            image = ImageOps.expand(image, (before, before, after, after), fill=self._fill(image))
        return np.asarray(image, dtype=np.uint8).reshape(self.canvas, self.canvas, self.channels)

    def _fill(self, image: Image.Image) -> int | tuple[int, int, int]:
        return luma(self.background) if image.mode == "L" else self.background

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Fit:
        fields = parse_json(text)
        return cls(**fields | {"background": tuple(fields["background"])})


@lru_cache
def luma(colour: tuple[int, int, int]) -> int:
    """The grey value of an RGB colour, as Pillow's conversion to "L" computes it (ITU-R 601-2)."""
    return Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0))  # type: ignore[return-value]


def pad_to_square(
    images: UInt8[np.ndarray, "n h w c"], side: int, colour: tuple[int, int, int] = (0, 0, 0)
) -> UInt8[np.ndarray, "n side side c"]:
    """Images centred in squares of `side` pixels and of a colour; an odd margin is larger at the end."""
    n, height, width, channels = images.shape
    top, left = (side - height) // 2, (side - width) // 2
    padded = np.empty((n, side, side, channels), np.uint8)
    padded[:] = luma(colour) if channels == 1 else colour
    padded[:, top : top + height, left : left + width] = images
    return padded


def parse_colour(text: str) -> tuple[int, int, int]:
    """An RGB triple from a CSS colour name or #rrggbb; white where the images decide."""
    if text == AUTOMATIC:
        return 255, 255, 255
    try:
        red, green, blue, *_ = ImageColor.getrgb(text)
    except ValueError:
        raise ArmoireError(f"'{text}' is not a colour; write a name such as white, or #rrggbb") from None
    return red, green, blue


def read_fitted(opener: Callable[[], OpenFile], fit: Fit) -> UInt8[np.ndarray, "h w c"]:
    """Open, decode and fit one image: (canvas, canvas, channels).

    Raises:
        RejectedImageError: it cannot be used.
        OSError: a disk or network fails.
    """
    try:
        with opener() as file:
            return fit(read_image(file, at_least=fit.size, white=fit.white))
    except RejectedImageError as error:
        if isinstance(cause := error.__context__, OSError) and cause.errno in TRANSIENT:
            raise cause from None
        raise
    except (OSError, RuntimeError, NotImplementedError, ValueError, EOFError) as error:
        if isinstance(error, OSError) and error.errno in TRANSIENT:
            raise
        reason = f"cannot be opened: {getattr(error, 'strerror', None) or error}"
        raise RejectedImageError(reason) from error


@contextlib.contextmanager
def no_warnings() -> Iterator[None]:
    """Silence Pillow's warnings about metadata; `read_image` checks the number of pixels itself.

    Warning filters are global to the process: use it around a pool of threads, never inside one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def flatten(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Composite transparent pixels on the background; returns mode L or RGB."""
    if image.mode == "LA" and len(set(background)) > 1:
        image = image.convert("RGBA")
    if image.mode in ("LA", "RGBA"):
        alpha, opaque = image.getchannel("A"), image.convert(image.mode.removesuffix("A"))
        fill = background[0] if opaque.mode == "L" else background
        return Image.composite(opaque, Image.new(opaque.mode, opaque.size, fill), alpha)
    return image
