from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO

import numpy as np
import pytest
from data_sets import saved
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from armoire.errors import ArmoireError
from armoire.images import Fit, open_image
from armoire.images.decode import RejectedImageError, read_image
from armoire.images.fit import luma, parse_colour


def read(image: Image.Image, kind: str = "PNG", **options) -> Image.Image:
    return read_image(saved(image, kind, **options))


def halves(width: int, height: int, across: bool = True) -> Image.Image:
    """Black left (or upper) half, white right (or lower) half."""
    pixels = np.zeros((height, width), np.uint8)
    if across:
        pixels[:, width // 2 :] = 255
    else:
        pixels[height // 2 :] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize(("size", "canvas"), [(16, 16), (17, 32), (28, 32), (33, 64), (64, 64), (200, 256), (256, 256)])
def test_canvas_is_the_next_power_of_two(size, canvas):
    fit = Fit(size)
    assert fit.canvas == canvas
    assert fit(Image.new("RGB", (40, 30))).shape == (canvas, canvas, 3)


@pytest.mark.parametrize("size", [0, 15, 257, -1])
def test_a_size_out_of_range_is_told(size):
    with pytest.raises(ArmoireError, match=f"16 to 256 pixels, not {size}"):
        Fit(size)


@given(
    colour=st.tuples(*[st.integers(0, 255)] * 4),
    background=st.tuples(*[st.integers(0, 255)] * 3),
)
def test_compositing_is_exact_to_the_byte(colour, background):
    pixels = Fit(16, background=background)(Image.new("RGBA", (16, 16), colour))
    alpha = colour[3] / 255
    expected = [c * alpha + b * (1 - alpha) for c, b in zip(colour, background, strict=False)]
    assert np.abs(pixels[5, 5] - np.array(expected)).max() <= 0.51
    assert (pixels == pixels[0, 0]).all()


def test_grey_with_alpha_on_grey_and_on_colour():
    image = Image.new("LA", (16, 16), (100, 0))
    assert (Fit(16, background=(30, 30, 30), channels=1)(read(image)) == 30).all()
    assert (Fit(16, background=(255, 0, 10))(read(image)) == [255, 0, 10]).all()


@pytest.mark.parametrize(("mode", "colour"), [("RGB", (10, 20, 30)), ("L", 10)])
def test_one_colour_may_stand_for_transparent(mode, colour):
    image = Image.new(mode, (16, 16), colour)
    image.paste(0, (0, 0, 8, 16))
    pixels = Fit(16, background=(255, 0, 0))(read(image, transparency=colour))
    assert (pixels[:, :8] == 0).all()
    assert (pixels[:, 8:] == [255, 0, 0]).all()


def test_a_palette_may_hold_transparency():
    image = Image.new("P", (16, 16), 0)
    image.putpalette([0, 255, 0, 0, 0, 255] + [0] * 762)
    image.paste(1, (8, 0, 16, 16))
    pixels = Fit(16, background=(255, 0, 0))(read(image, transparency=0))
    assert (pixels[:, :8] == [255, 0, 0]).all()
    assert (pixels[:, 8:] == [0, 0, 255]).all()


@pytest.mark.parametrize(("value", "byte"), [(0, 0), (256, 1), (32768, 128), (40000, 156), (65535, 255)])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_are_scaled_not_clipped(kind, value, byte):
    image = Image.fromarray(np.full((16, 16), value, np.uint16))
    assert image.mode == "I;16"
    assert (Fit(16, channels=1)(read(image, kind)) == byte).all()


def test_cmyk_one_bit_and_palette_are_converted():
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert (Fit(16)(read(cmyk, "TIFF")) == [255, 0, 0]).all()
    red = Fit(16)(read(cmyk, "JPEG", quality=100))[8, 8]
    assert np.abs(red.astype(int) - [255, 0, 0]).max() <= 3
    assert (Fit(16)(read(Image.new("1", (16, 16), 1))) == 255).all()


def test_of_an_animation_the_first_frame_counts():
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    file = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert Image.open(file).n_frames == 3
    assert (Fit(16)(read_image(file)) == [255, 0, 0]).all()


# What each orientation says of where the row 0 and the column 0 of the stored pixels belong.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].T,
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_exif_orientation_is_applied(kind, orientation):
    stored = np.arange(16 * 24, dtype=np.uint8).reshape(16, 24) // 2
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    image = read(Image.fromarray(stored), kind, exif=exif, **options).convert("L")
    assert np.array_equal(np.asarray(image), UPRIGHT[orientation](stored))


def test_crop_takes_the_centre_of_a_wide_picture():
    pixels = np.full((16, 48), 50, np.uint8)
    pixels[:, 16:32] = 200
    assert (Fit(16, "crop", channels=1)(Image.fromarray(pixels)) == 200).all()
    assert (Fit(16, "crop", channels=1)(Image.fromarray(pixels.T.copy())) == 200).all()


def test_pad_keeps_all_and_fills_with_background():
    pixels = Fit(16, "pad", background=(0, 0, 255))(Image.new("RGB", (64, 32), (255, 0, 0)))
    assert (pixels[:4] == [0, 0, 255]).all()
    assert (pixels[4:12] == [255, 0, 0]).all()
    assert (pixels[12:] == [0, 0, 255]).all()


def test_stretch_uses_every_pixel():
    pixels = Fit(16, "stretch", channels=1)(halves(64, 32))
    assert (pixels[:, :7] == 0).all()
    assert (pixels[:, 9:] == 255).all()
    wide = Fit(16, "stretch", channels=1)(halves(16, 160, across=False))
    assert (wide[:7] == 0).all()
    assert (wide[9:] == 255).all()


def test_a_picture_of_the_right_size_is_kept_to_the_byte():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for how in ("crop", "pad", "stretch"):
        assert np.array_equal(Fit(32, how)(Image.fromarray(pixels)), pixels)


@pytest.mark.parametrize(("size", "before", "after"), [(28, 2, 2), (17, 7, 8), (31, 0, 1)])
def test_margins_of_the_canvas_are_background(size, before, after):
    pixels = Fit(size, background=(9, 8, 7))(Image.new("RGB", (size, size), (200, 100, 50)))
    inner = pixels[before : before + size, before : before + size]
    assert (inner == [200, 100, 50]).all()
    assert (pixels == [9, 8, 7]).all(axis=2).sum() == 32 * 32 - size * size
    assert before + size + after == 32


def test_shrinking_averages_instead_of_skipping():
    stripes = np.zeros((160, 160), np.uint8)
    stripes[:, ::2] = 255
    pixels = Fit(16, channels=1)(Image.fromarray(stripes)).astype(int)
    assert np.abs(pixels - 127.5).max() <= 5
    assert np.abs(pixels[:, 1:-1] - 127.5).max() <= 1


def test_grey_is_the_luma_of_bt601():
    colour = (200, 100, 50)
    assert luma(colour) == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert (Fit(16, channels=1)(Image.new("RGB", (20, 20), colour)) == luma(colour)).all()


def test_a_fit_survives_json():
    fit = Fit(48, "pad", (1, 2, 3), 1)
    assert Fit.from_json(fit.to_json()) == fit
    assert fit.background_hex == "#010203"
    assert parse_colour(fit.background_hex) == fit.background


@pytest.mark.parametrize(("text", "rgb"), [("white", (255, 255, 255)), ("#0a0B0c", (10, 11, 12)), ("Red", (255, 0, 0))])
def test_colours(text, rgb):
    assert parse_colour(text) == rgb


def test_an_unknown_colour_is_told():
    with pytest.raises(ArmoireError, match="'whiteish' is not a colour"):
        parse_colour("whiteish")


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    chunks = b"\x89PNG\r\n\x1a\n"
    for kind, content in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" * 10)),
        (b"IEND", b""),
    ):
        chunks += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return chunks


def test_a_bomb_is_never_decoded(monkeypatch):
    from PIL.PngImagePlugin import PngImageFile

    monkeypatch.setattr(PngImageFile, "load", lambda *_: pytest.fail("the pixels were asked for"))
    with pytest.raises(RejectedImageError, match="8001 x 8000 is more than 64 million pixels"):
        read_image(BytesIO(png_header(8001, 8000)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
@given(data=st.data())
def test_damaged_bytes_never_raise_anything_else(kind, data):
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    content = bytearray(saved(Image.fromarray(noise), kind).getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(1, len(content)))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = read_image(BytesIO(bytes(content)))
        except RejectedImageError as error:
            assert str(error)
        else:
            assert image.mode in ("L", "LA", "RGB", "RGBA")


def test_a_large_jpeg_may_be_decoded_small_but_not_too_small():
    file = saved(halves(1600, 1600), "JPEG", quality=95)
    image = read_image(file, at_least=64)
    assert image.size == (200, 200)
    assert read_image(file).size == (1600, 1600)
    pixels = Fit(64, channels=1)(image)
    assert pixels[:, :30].max() <= 3
    assert pixels[:, 34:].min() >= 252


def photograph(width: int, height: int, seed: int = 0) -> Image.Image:
    """Structure of every scale with the spectrum of photographs, whose amplitude falls as 1 / frequency."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.rfftfreq(width) * 1e3, np.fft.fftfreq(height) * 1e3)) + 1
    waves = np.fft.rfft2(random.standard_normal((3, height, width))) / frequency
    pixels = np.fft.irfft2(waves, (height, width)).transpose(1, 2, 0)
    return Image.fromarray(np.clip(128 + 48 * pixels / pixels.std(), 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("width", "height"), [(127, 900), (128, 129), (178, 218), (255, 256), (511, 512), (1500, 1000)]
)
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"orientation": 6}])
def test_decoding_small_never_falls_below_twice_the_size(width, height, options):
    options = dict(options)
    if orientation := options.pop("orientation", None):
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    image = read_image(saved(photograph(width, height), "JPEG", **options), at_least=64)
    assert min(image.size) >= min(128, width, height)
    turned = (height, width) if orientation else (width, height)
    assert image.width / image.height == pytest.approx(turned[0] / turned[1], rel=0.02)


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
@pytest.mark.parametrize(("width", "height"), [(178, 218), (256, 256), (640, 480), (1500, 1000), (2048, 300)])
@pytest.mark.parametrize("size", [32, 64])
def test_decoding_small_gives_the_same_fitted_picture(how, width, height, size):
    file = saved(photograph(width, height), "JPEG", quality=90)
    small, full = (Fit(size, how)(read_image(file, at_least)).astype(int) for at_least in (size, None))
    # In levels of 255. A JPEG of quality 90 alone is off by as much.
    assert np.sqrt(((small - full) ** 2).mean()) < 2
    assert abs((small - full).mean()) < 0.3


def test_one_picture_from_a_file(tmp_path):
    Image.new("RGBA", (20, 20), (10, 10, 10, 0)).save(tmp_path / "a.png")
    assert (open_image(tmp_path / "a.png", Fit(16, background=(1, 2, 3))) == [1, 2, 3]).all()
    (tmp_path / "b.png").write_text("hello")
    with pytest.raises(ArmoireError, match=r"b\.png cannot be read: not a JPEG"):
        open_image(tmp_path / "b.png", Fit(16))
    with pytest.raises(ArmoireError, match=r"c\.png cannot be read: no such file"):
        open_image(tmp_path / "c.png", Fit(16))
    with pytest.raises(ArmoireError, match="is a directory; give the image files in it"):
        open_image(tmp_path, Fit(16))
