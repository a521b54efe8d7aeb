"""Decode untrusted image files: seven formats, a bounded number of pixels and bounded memory."""

from __future__ import annotations

import contextlib
import threading
from io import BufferedReader, BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

from armoire.extras import install_command
from armoire.images.bit_depth import (
    WHITE,
    RejectedImageError,
    check_range,
    check_sign,
    check_used_bits,
    eight_bits,
    is_deep,
    white_is_zero,
)
from armoire.images.colour import lab_to_rgb, to_srgb

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}  # of phones' photographs
MAX_PIXELS = 64_000_000
MOST_MEMORY = 224_000_000  # bytes for decoding one image
LARGEST_WEBP = 64_000_000  # bytes; its decoder holds the whole file in memory
SERIAL_FROM = 16_000_000  # bytes of memory from which images are decoded one at a time, whatever the number of threads
STRIPS_FROM = 4_000_000  # pixels from which an image is reduced strip by strip, and never copied as a whole
STRIP = 512  # rows
ORIENTATION = 0x0112  # of EXIF
FULL_SIZE = "armoire_full_size"  # of an image's info

# Bytes per pixel that a decoder needs besides the decoded image: WebP has two canvases and returns two copies; a strip
# of a TIFF may be the whole image in 16 bits per value; a GIF keeps the previous frame.
DECODER_BYTES = {"WEBP": 16, "TIFF": 6, "GIF": 4, "HEIF": 8}
# Bytes per pixel of the decoded image, by Pillow's mode; four for all others.
PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}

OpenFile = BufferedReader | BytesIO  # IO[bytes], in a form that can be checked while it runs

#: Large images are decoded one at a time: by the threads of this process, or by several that set a lock of them all.
large_images: contextlib.AbstractContextManager[object] = threading.Lock()


def read_image(file: OpenFile, at_least: int | None = None, white: int = WHITE) -> Image.Image:
    """Decode the first frame of an image, upright and in sRGB, in one of the modes L, LA, RGB, RGBA.

    Args:
        file: an open binary file; its content decides the format, not its name.
        at_least: a large image may be reduced to a shorter side no smaller than this, in pixels.
        white: the value of white in grey images of more than 8 bits.

    Raises:
        RejectedImageError: it is not a JPEG, PNG, WEBP, BMP, GIF, TIFF or HEIC, is damaged, has more than `MAX_PIXELS`,
            would need more than `MOST_MEMORY` to decode, or has grey values beyond `white`.
    """
    try:
        image = Image.open(file, formats=_formats(file))
        if image.width * image.height > MAX_PIXELS:
            raise RejectedImageError(f"{image.width} x {image.height} is more than 64 million pixels")
        size = image.size
        memory = _progressive_bytes(image)
        if at_least:
            image.draft(None, (2 * at_least, 2 * at_least))
        per_pixel = PIXEL_BYTES.get(image.mode, 4) + DECODER_BYTES.get(image.format or "", 0)
        memory += image.width * image.height * per_pixel
        if memory > MOST_MEMORY:
            raise RejectedImageError(
                f"decoding {image.width} x {image.height} pixels of {image.format} takes {memory / 1e6:,.0f} MB of "
                f"memory, more than {MOST_MEMORY / 1e6:,.0f}"
            )
        with large_images if memory > SERIAL_FROM else contextlib.nullcontext():
            decoded = _decoded(image, at_least, white)
        decoded.info[FULL_SIZE] = size
    except RejectedImageError:
        raise
    except UnidentifiedImageError:
        raise RejectedImageError(_unknown(file)) from None
    except Image.DecompressionBombError:
        raise RejectedImageError("more than 64 million pixels") from None
    except Exception as error:  # a decoder fed with damaged bytes can raise nearly anything
        raise RejectedImageError(f"damaged: {error}" if str(error) else f"damaged: {type(error).__name__}") from None
    return decoded


def full_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of an image in its file, in pixels, upright: `read_image` may have reduced it."""
    width, height = image.info.get(FULL_SIZE, image.size)
    turned = (width > height) != (image.width > image.height)  # by its EXIF entry
    return (height, width) if turned and image.width != image.height else (width, height)


def plain(image: Image.Image, white: int = WHITE) -> Image.Image:
    """An image upright and in sRGB, in one of the modes L, LA, RGB, RGBA; `white` as in `read_image`."""
    return _decoded(image, None, white)


def _formats(file: OpenFile) -> tuple[str, ...]:
    """The formats that a file is tried as."""
    head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:] in HEIF_BRANDS:
        file.seek(0)
        try:
            from pillow_heif import register_heif_opener
        except ImportError:
            raise RejectedImageError(f"HEIC, which is read after {install_command('heic')}") from None
        register_heif_opener()
        return ("HEIF",)
    if head[:4] == b"RIFF" and head[8:] == b"WEBP" and (size := file.seek(0, 2)) > LARGEST_WEBP:
        raise RejectedImageError(f"{size:,} bytes of WEBP are more than {LARGEST_WEBP:,}")
    file.seek(0)
    return FORMATS


def _unknown(file: OpenFile) -> str:
    file.seek(0)
    if file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "a damaged TIFF, or one of another kind than 1 to 16 bits per channel"
    return "not a JPEG, PNG, WEBP, BMP, GIF, TIFF or HEIC image"


def _progressive_bytes(image: Image.Image) -> int:
    """Memory of a progressive JPEG's decoder at any reduced size: two bytes per coefficient."""
    progressive = image.format == "JPEG" and ("progressive" in image.info or "progression" in image.info)
    return 2 * image.width * image.height * len(image.getbands()) if progressive else 0


def _decoded(image: Image.Image, at_least: int | None, white: int) -> Image.Image:
    deep_colours = any(";16" in str(tile[3]) for tile in getattr(image, "tile", ())) and not is_deep(image)
    image.load()
    if is_deep(image):
        white = check_range(image, white)
    elif deep_colours:
        check_used_bits(image)
    else:
        check_sign(image)
    reduced = to_srgb(_reduced(image, at_least, white), image.info.get("icc_profile"))
    if is_deep(image) and white_is_zero(image):
        reduced = ImageOps.invert(reduced)
    return _upright(reduced, _orientation(image))


def _reduced(image: Image.Image, at_least: int | None, white: int) -> Image.Image:
    """An image in one of the modes L, LA, RGB, RGBA, CMYK; each pixel of a reduced one is the mean of a square.

    A large image is converted strip by strip, so that it is never copied as a whole.
    """
    by = min(image.size) // (2 * at_least) if at_least else 1
    if by < 2 or image.width * image.height <= STRIPS_FROM:
        return _eight_bit(image, white)
    rows = max(1, STRIP // by) * by
    small: Image.Image | None = None
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        strip = _eight_bit(strip, white).reduce(by)
        if small is None:
            small = Image.new(strip.mode, (strip.width, -(-image.height // by)))
        small.paste(strip, (0, top // by))
    assert small is not None
    return small


def _orientation(image: Image.Image) -> int:
    if image.format == "JPEG" and "exif" not in image.info and "xmp" not in image.info:
        return 1  # parsing nothing takes as long as opening the file
    # Damaged EXIF does not concern the pixels.
    with contextlib.suppress(Exception):
        return int(image.getexif().get(ORIENTATION, 1))
    return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    if not 2 <= orientation <= 8:
        return image
    image = image.copy()
    image.getexif()[ORIENTATION] = orientation
    return ImageOps.exif_transpose(image)


def _eight_bit(image: Image.Image, white: int) -> Image.Image:
    if image.mode in ("L", "RGB") and image.has_transparency_data:  # one colour means transparent
        return image.convert(f"{image.mode}A")
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        return image
    if is_deep(image):
        return eight_bits(image, white)
    if image.mode == "F":
        raise RejectedImageError("floating-point pixels, whose range is unknown")
    if image.mode == "LAB":
        return lab_to_rgb(image)
    if image.mode == "1":
        return image.convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")
