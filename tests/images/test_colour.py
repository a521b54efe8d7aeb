"""Colours and depths of files: ICC profiles, Lab, and grey of more than 8 bits."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from data_sets import saved
from PIL import Image, ImageCms

from armoire.images.bit_depth import RangeError, white_of
from armoire.images.decode import RejectedImageError, plain, read_image

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def linear() -> bytes:
    """A profile of sRGB's primaries whose curves are straight: the type `curv` with no entries."""
    profile = bytearray(SRGB.tobytes())
    for tag in (b"rTRC", b"gTRC", b"bTRC"):
        entry = profile.index(tag, 128)
        offset = int.from_bytes(profile[entry + 4 : entry + 8], "big")
        profile[offset : offset + 12] = b"curv" + bytes(8)
    return bytes(profile)


def centre(image: Image.Image) -> list[int]:
    return np.asarray(image)[8, 8].reshape(-1).tolist()


def converted(image: Image.Image, profile: bytes) -> list[int]:
    source, target = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
    return list(ImageCms.profileToProfile(image, source, target, outputMode="RGB").getpixel((8, 8)))


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("TIFF", {}), ("JPEG", {"quality": 100}), ("WEBP", {"lossless": True})]
)
def test_a_profile_is_converted_to_srgb(kind, options):
    image = Image.new("RGB", (16, 16), (60, 180, 60))
    file = saved(image, kind, icc_profile=linear(), **options)
    right = converted(image, linear())
    assert np.abs(np.subtract(right, centre(image))).max() > 20
    assert np.abs(np.subtract(centre(read_image(file)), right)).max() <= 3


def test_alpha_grey_and_large_images_are_converted():
    right = converted(Image.new("RGB", (16, 16), (60, 60, 60)), linear())
    rgba = Image.new("RGBA", (16, 16), (60, 60, 60, 77))
    assert centre(read_image(saved(rgba, "PNG", icc_profile=linear()))) == [*right, 77]
    assert centre(plain(Image.open(saved(rgba, "PNG", icc_profile=linear())))) == [*right, 77]
    grey = read_image(saved(Image.new("L", (16, 16), 60), "PNG", icc_profile=linear()))
    assert grey.mode == "L"
    assert abs(centre(grey)[0] - Image.new("RGB", (1, 1), tuple(right)).convert("L").getpixel((0, 0))) <= 1
    large = read_image(saved(Image.new("RGB", (2500, 2500), (60, 60, 60)), "PNG", icc_profile=linear()), 64)
    assert centre(large) == right


@pytest.mark.parametrize("profile", [SRGB.tobytes(), b"broken", SRGB.tobytes()[:300], b""])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_srgb_and_broken_profiles_change_nothing(mode, profile):
    image = Image.new(mode, (16, 16), 90 if mode == "L" else (200, 90, 10, 200)[: len(mode)])
    assert centre(read_image(saved(image, "PNG", icc_profile=profile))) == centre(image)


def test_a_profile_of_another_colour_space_is_ignored():
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert centre(read_image(saved(image, "TIFF", icc_profile=SRGB.tobytes()))) == [255, 0, 0]


def test_lab_is_read():
    image = Image.new("LAB", (16, 16), (138, 209, 198))  # red
    assert np.abs(np.subtract(centre(read_image(saved(image, "TIFF"))), [255, 0, 0])).max() <= 8


@pytest.mark.parametrize(
    ("values", "white", "byte"),
    [
        (np.uint16(4095), 4095, 255),
        (np.uint16(1000), 4095, 62),
        (np.int32(200), 255, 200),
        (np.int32(40000), 65535, 156),
    ],
)
def test_deep_grey_is_scaled_by_white(values, white, byte):
    file = saved(Image.fromarray(np.full((16, 16), values)), "TIFF")
    assert centre(read_image(file, white=white)) == [byte]


@pytest.mark.parametrize(
    ("values", "white", "reason"),
    [
        (np.uint16(200), 65535, "grey values from 200 to 200, where black is 0 and white is 65,535"),
        (np.uint16(5000), 4095, "white is 4,095"),
        (np.int32(-1), 65535, "from -1 to -1"),
        (np.int32(70000), 65535, "to 70,000"),
        (np.float32(0.5), 65535, "floating-point"),
    ],
)
def test_grey_beyond_black_and_white_is_rejected(values, white, reason):
    file = saved(Image.fromarray(np.full((16, 16), values)), "TIFF")
    with pytest.raises(RejectedImageError, match=reason):
        read_image(file, white=white)


def test_sixteen_bits_of_white_to_black_are_inverted():
    image = Image.fromarray(np.full((16, 16), 40_000, np.uint16))
    assert centre(read_image(saved(image, "TIFF", tiffinfo={262: 0}))) == [255 - 156]


def test_signed_bytes_are_rejected():
    with pytest.raises(RejectedImageError, match="signed 8-bit"):
        read_image(saved(Image.new("L", (16, 16), 251), "TIFF", tiffinfo={339: 2}))


def test_signed_sixteen_bits_are_rejected():
    image = Image.frombytes("I;16", (16, 16), np.full((16, 16), -500, np.int16).tobytes())
    with pytest.raises(RangeError, match="from -500 to -500"):
        read_image(saved(image, "TIFF", tiffinfo={339: 2}))


@pytest.mark.parametrize(
    ("highest", "white"), [(0, 255), (255, 255), (256, 4095), (4095, 4095), (9000, 16383), (60000, 65535)]
)
def test_white_is_that_of_the_bits_in_use(highest, white):
    assert white_of(highest) == white
