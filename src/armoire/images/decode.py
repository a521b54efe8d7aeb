"""How a file of a stranger's becomes a picture: six formats, a bounded size and bounded memory, or a reason why not."""

from __future__ import annotations

import contextlib
import threading
from io import BufferedReader, BytesIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
MAX_PIXELS = 64_000_000
MOST_MEMORY = 224_000_000  # bytes that decoding one picture may take
LARGEST_WEBP = 64_000_000  # bytes; its decoder wants the whole file in memory
MUCH = 16_000_000  # bytes, from which pictures are decoded one after the other, whatever the number of threads
MANY_PIXELS = 4_000_000  # from which a picture is made smaller strip by strip, and never copied as a whole
STRIP = 512  # rows
ORIENTATION = 0x0112  # of EXIF

# Bytes a pixel beside the decoded picture itself: WebP decodes into two canvases of its own, and hands over two copies;
# a strip of a TIFF may be the whole picture, in 16 bits a value; a GIF keeps the frame before.
BESIDE = {"WEBP": 16, "TIFF": 6, "GIF": 4}
# In Pillow's memory; all other modes take four.
OF_A_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}

OpenFile = BufferedReader | BytesIO  # IO[bytes], in a form that can be checked while it runs

_one_large_at_a_time = threading.Lock()


class RejectedImageError(Exception):
    """One picture that cannot be used; str() is the reason, without the picture's name."""


def read_image(file: OpenFile, at_least: int | None = None) -> Image.Image:
    """Decode the first frame of a picture, upright, in one of the modes L, LA, RGB, RGBA.

    Args:
        file: an open binary file; only JPEG, PNG, WEBP, BMP, GIF and TIFF are read, whatever its name says.
        at_least: let a large picture come at a reduced size no smaller than this.

    Raises:
        RejectedImageError: the file is no such picture, is damaged, has more than 64 million pixels, or would take more
            than 224 MB to decode.
    """
    try:
        _check_webp(file)
        image = Image.open(file, formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise RejectedImageError(f"{image.width} x {image.height} is more than 64 million pixels")
        memory = _held_whole(image)
        if at_least:
            image.draft(None, (2 * at_least, 2 * at_least))
        memory += image.width * image.height * (OF_A_PIXEL.get(image.mode, 4) + BESIDE.get(image.format or "", 0))
        if memory > MOST_MEMORY:
            raise RejectedImageError(
                f"to decode {image.width} x {image.height} pixels of {image.format} takes {memory / 1e6:,.0f} MB of "
                f"memory, more than {MOST_MEMORY / 1e6:,.0f}"
            )
        with _one_large_at_a_time if memory > MUCH else contextlib.nullcontext():
            image.load()
            return _upright(_reduced(image, at_least), _orientation(image))
    except RejectedImageError:
        raise
    except UnidentifiedImageError:
        raise RejectedImageError("not a JPEG, PNG, WEBP, BMP, GIF or TIFF image") from None
    except Image.DecompressionBombError:
        raise RejectedImageError("more than 64 million pixels") from None
    except Exception as error:  # a decoder fed with damaged bytes can raise nearly anything
        raise RejectedImageError(f"damaged: {error}" if str(error) else f"damaged: {type(error).__name__}") from None


def plain(image: Image.Image) -> Image.Image:
    """A picture upright, in one of the modes L, LA, RGB, RGBA."""
    return _upright(_eight_bit(image), _orientation(image))


def _check_webp(file: OpenFile) -> None:
    head = file.read(12)
    size = file.seek(0, 2)
    file.seek(0)
    if head[:4] == b"RIFF" and head[8:] == b"WEBP" and size > LARGEST_WEBP:
        raise RejectedImageError(f"{size:,} bytes of WEBP are more than {LARGEST_WEBP:,}")


def _held_whole(image: Image.Image) -> int:
    """Bytes that a JPEG's decoder holds whatever size it decodes at: two a coefficient of a progressive one."""
    progressive = image.format == "JPEG" and ("progressive" in image.info or "progression" in image.info)
    return 2 * image.width * image.height * len(image.getbands()) if progressive else 0


def _reduced(image: Image.Image, at_least: int | None) -> Image.Image:
    """A picture in one of the plain modes; of a large one each pixel is the mean of a square of its own.

    It is walked through strip by strip: what a change of mode copies is never the whole of it.
    """
    by = min(image.size) // (2 * at_least) if at_least else 1
    if by < 2 or image.width * image.height <= MANY_PIXELS:
        return _eight_bit(image)
    rows = max(1, STRIP // by) * by
    small: Image.Image | None = None
    for top in range(0, image.height, rows):
        strip = _eight_bit(image.crop((0, top, image.width, min(top + rows, image.height)))).reduce(by)
        if small is None:
            small = Image.new(strip.mode, (strip.width, -(-image.height // by)))
        small.paste(strip, (0, top // by))
    assert small is not None
    return small


def _orientation(image: Image.Image) -> int:
    # What else is wrong with EXIF says nothing of the pixels.
    with contextlib.suppress(Exception):
        return int(image.getexif().get(ORIENTATION, 1))
    return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    if not 2 <= orientation <= 8:
        return image
    image = image.copy()
    image.getexif()[ORIENTATION] = orientation
    return ImageOps.exif_transpose(image)


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode in ("L", "RGB") and image.has_transparency_data:  # one colour stands for transparent
        return image.convert(f"{image.mode}A")
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return image
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow's own conversion would clip instead of scale
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray(np.clip(values >> 8, 0, 255).astype(np.uint8))
    if image.mode == "F":
        raise RejectedImageError("floating-point pixels, whose range is not stated")
    if image.mode == "1":
        return image.convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")
