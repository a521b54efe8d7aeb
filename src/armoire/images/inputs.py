"""Images as arguments of the Python API: arrays, tensors, PIL images, paths, and lists of these.

Layout and type are checked here, transparency is composited and sizes are matched.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from armoire.checks import as_numpy
from armoire.errors import ArmoireError, first_line
from armoire.images.bit_depth import WHITE
from armoire.images.decode import RejectedImageError, plain, read_image
from armoire.images.fit import Fit, flatten, no_warnings
from armoire.images.grid import to_pil
from armoire.images.imageset import ImageSet

CHANNELS = (1, 2, 3, 4)  # grey, grey and alpha, colour, colour and alpha
EXPECTED = "give uint8 (n, h, w, c), PIL images, paths, or a list of these"


@runtime_checkable
class SupportsArray(Protocol):
    """Anything that converts to a NumPy array: a PyTorch tensor, a JAX array, a pandas column."""

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray: ...


Images = np.ndarray | SupportsArray | Image.Image | str | os.PathLike[str] | ImageSet | Iterable[Any]
_One = np.ndarray | Image.Image | Path


def fit_images(images: Images, fit: Fit) -> UInt8[np.ndarray, "n h w c"]:
    """Images as a model takes them: (n, canvas, canvas, channels) of its fit.

    Arrays of canvas x canvas are not resized, and not copied where they have no alpha; everything else is fitted like
    the training data.

    Args:
        images: uint8 (n, h, w, c), (n, h, w), (h, w, c) or (h, w), c 1 to 4 (2 and 4: the last is alpha, composited on
            the fit's background); PIL images; paths of image files; an ImageSet; or an iterable of single images.
        fit: how the model's training images were fitted.

    Raises:
        ArmoireError: their type or layout is another, or a file cannot be read.
    """
    given, shape = _read(images, fit.channels == 3), (fit.canvas, fit.canvas, fit.channels)
    if isinstance(given, np.ndarray) and given.shape[1:] == shape:
        return given
    fitted = [_fit(image, fit) for image in given]
    return np.stack(fitted) if fitted else np.empty((0, *shape), np.uint8)


def stack_images(images: Images, background: tuple[int, int, int]) -> UInt8[np.ndarray, "n h w c"]:
    """Images of one size as an array without alpha, grey where all of them are, else RGB.

    Takes the images that `fit_images` takes; transparent pixels are composited on `background`.
    """
    given = _read(images, True)
    if isinstance(given, np.ndarray) and given.shape[3] in (1, 3):
        return given
    opaque = [_opaque(image, background) for image in given]
    if not opaque:
        return np.empty((0, 0, 0, 1), np.uint8)
    sizes = sorted({image.shape[:2] for image in opaque})
    if len(sizes) > 1:
        raise ArmoireError(
            f"images must be of one size, not {sizes[0]} and {sizes[1]} (height, width); resize them, or save them "
            "into a folder and give its path"
        )
    channels = max(image.shape[2] for image in opaque)
    return np.stack([np.broadcast_to(image, (*sizes[0], channels)) for image in opaque])


def open_image(path: Path, fit: Fit) -> UInt8[np.ndarray, "h w c"]:
    """One image file, fitted like the training data: uint8 (h, w, c)."""
    return fit(_open(path, fit.size, fit.white))


def _read(images: Any, colour: bool) -> np.ndarray | list[_One]:
    """Checked images: an array (n, h, w, c) with c 1 to 4 where an array was given, else a list of single images."""
    if isinstance(images, ImageSet):
        return np.asarray(images.images)
    if isinstance(images, Image.Image | str | os.PathLike):
        return [_single(images, "the image")]
    if isinstance(images, SupportsArray) or hasattr(images, "detach"):
        array = as_numpy(images)
        # Columns of paths, and images of several sizes.
        if array.dtype.kind not in "OU" or array.ndim != 1:
            return _batch(array, colour, "images", "(n, h, w, c)")
        images = array.tolist()
    if not isinstance(images, Iterable) or isinstance(images, bytes | bytearray | Mapping):
        raise ArmoireError(f"images cannot be read from {type(images).__name__}; {EXPECTED}")
    return [_single(image, f"image {i} of the list") for i, image in enumerate(images)]


def _single(image: Any, what: str) -> _One:
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, str | os.PathLike):
        return Path(image).expanduser()
    batch = _batch(as_numpy(image), True, what, "(h, w, c)")
    if len(batch) != 1:
        raise ArmoireError(f"{what} must be one image, uint8 (h, w, c), not {len(batch)}; give them in one array")
    return batch[0]


def _batch(array: np.ndarray, colour: bool, what: str, wanted: str) -> UInt8[np.ndarray, "n h w c"]:
    """An array as (n, h, w, c), c 1 to 4; with `colour`, (3, h, w) is one image and not three grey ones."""
    shape, problem = array.shape, f"{what} must be uint8 {wanted}, not {array.dtype} {array.shape}"
    if array.dtype == bool:
        array = array.astype(np.uint8) * np.uint8(255)
    if array.dtype != np.uint8:
        raise ArmoireError(f"{problem}; {_conversion(array)}")
    if array.size and array.max() == 1:
        raise ArmoireError(f"{what} hold 0 and 1 alone, which are both black in bytes; multiply them by 255")
    grey = array.ndim == 2 or (array.ndim == 3 and shape[-1] not in CHANNELS)
    if (array.ndim == 4 and shape[-1] not in CHANNELS and shape[1] in CHANNELS) or (
        array.ndim == 3 and grey and colour and shape[0] in (3, 4)
    ):
        axes = "(0, 2, 3, 1)" if array.ndim == 4 else "(1, 2, 0)"
        other = "" if array.ndim == 4 else f", or images[..., None] for {shape[0]} grey images"
        raise ArmoireError(f"{problem}; move the channels last with transpose{axes}{other}")
    array = array[..., None] if grey else array
    array = array[None] if array.ndim == 3 else array
    if array.ndim != 4 or array.shape[3] not in CHANNELS:
        raise ArmoireError(f"{problem}; c is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha)")
    if 0 in array.shape[1:]:
        raise ArmoireError(f"{problem}; they have no pixels")
    return array


def _conversion(array: np.ndarray) -> str:
    """How to convert an array of another type to uint8."""
    if array.dtype.kind == "f":
        return "turn values of 0 to 1 into bytes with (255 * images).round().astype('uint8')"
    return "turn values of 0 to 255 into bytes with astype('uint8')" if array.dtype.kind in "iu" else EXPECTED


def _fit(image: _One, fit: Fit) -> UInt8[np.ndarray, "h w c"]:
    if isinstance(image, Path):
        return open_image(image, fit)
    if isinstance(image, Image.Image):
        return fit(_plain(image, fit.white))
    picture, canvas = to_pil(image), (fit.canvas, fit.canvas)
    if picture.size != canvas:
        return fit(picture)
    picture = flatten(picture, fit.background).convert("L" if fit.channels == 1 else "RGB")
    return np.asarray(picture).reshape(*canvas, fit.channels)


def _opaque(image: _One, background: tuple[int, int, int]) -> UInt8[np.ndarray, "h w c"]:
    if isinstance(image, np.ndarray) and image.shape[2] in (1, 3):
        return image
    picture = (
        _open(image) if isinstance(image, Path) else _plain(image) if isinstance(image, Image.Image) else to_pil(image)
    )
    pixels = np.asarray(flatten(picture, background))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _open(path: Path, at_least: int | None = None, white: int = WHITE) -> Image.Image:
    if path.is_dir():
        raise ArmoireError(f"{path} is a directory; give the image files in it, or open it with load_images")
    try:
        with path.open("rb") as file, no_warnings():
            return read_image(file, at_least=at_least, white=white)
    except RejectedImageError as error:
        raise ArmoireError(
            f"{path} cannot be read: {error}; give a JPEG, PNG, WEBP, BMP, GIF, TIFF or HEIC image"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ArmoireError(f"{path} cannot be read: {reason.lower()}") from None


def _plain(image: Image.Image, white: int = WHITE) -> Image.Image:
    if 0 in image.size:
        raise ArmoireError(f"a PIL image of {image.width} x {image.height} pixels is empty; give another")
    try:
        image.load()
        return plain(image, white)
    except Exception as error:  # decoding damaged bytes can raise nearly anything
        raise ArmoireError(f"a PIL image of mode {image.mode} cannot be read: {first_line(error)}") from None
