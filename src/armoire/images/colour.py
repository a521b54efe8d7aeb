"""Colours of images as sRGB: ICC profiles, CMYK and Lab."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import product

import numpy as np
from PIL import Image, ImageCms

LARGEST_PROFILE = 4_000_000  # bytes; those of printers have up to 2,500,000
SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}  # ICC's names
STEPS = (0, 16, 32, 64, 96, 128, 192, 255)

Convert = Callable[[Image.Image], Image.Image]


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An image of mode L, LA, RGB, RGBA or CMYK in sRGB; CMYK becomes RGB.

    A profile that is damaged, of another colour space than the image, or sRGB itself is ignored.
    """
    colours = image.mode.removesuffix("A")
    convert = _conversion(bytes(profile), colours) if profile and len(profile) <= LARGEST_PROFILE else None
    if convert is None:
        return image.convert("RGB") if colours == "CMYK" else image
    if colours == image.mode:
        return convert(image)
    converted = convert(image.convert(colours))
    converted.putalpha(image.getchannel("A"))
    return converted


def lab_to_rgb(image: Image.Image) -> Image.Image:
    """CIE L*a*b* as sRGB, which Pillow's own conversion refuses."""
    converted = ImageCms.profileToProfile(
        image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert converted is not None
    return converted


@lru_cache(maxsize=32)
def _conversion(profile: bytes, mode: str) -> Convert | None:
    """The conversion of images of a mode from a profile to sRGB; None where there is none or it changes nothing."""
    try:
        source = ImageCms.core.profile_frombytes(profile)
        space = source.xcolor_space
        by_mode = "RGB" if mode == "L" and space == SPACES["RGB"] else mode  # grey of a profile for colours
        if space != SPACES.get(by_mode):
            return None
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(source), ImageCms.createProfile("sRGB"), by_mode, "RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None

    def convert(image: Image.Image) -> Image.Image:
        return transform.apply(image.convert(by_mode)).convert("L" if mode == "L" else "RGB")

    return None if mode != "CMYK" and _changes_little(convert, mode) else convert


def _changes_little(convert: Convert, mode: str) -> bool:
    """Whether a conversion moves no colour by more than rounding, as that of an sRGB profile does."""
    channels = len(mode)
    colours = np.array(list(product(STEPS, repeat=channels)), np.uint8).reshape(1, -1, channels)
    converted = np.asarray(convert(Image.fromarray(colours[..., 0] if channels == 1 else colours)))
    return bool(np.abs(converted.reshape(-1).astype(int) - colours.reshape(-1)).max() <= 2)
