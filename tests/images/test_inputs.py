"""Images as callers hand them over: every form of a picture gives its pixels, or one sentence says why not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from armoire.checks import as_numpy
from armoire.errors import ArmoireError
from armoire.images import Fit, from_array
from armoire.images.inputs import fit_images, stack_images

GREEN = (0, 200, 0)
COLOUR, GREY = Fit(32, background=GREEN), Fit(32, background=GREEN, channels=1)
RANDOM = np.random.default_rng(0)
PICTURE = RANDOM.integers(0, 256, (32, 32, 3), np.uint8)
SHADE = RANDOM.integers(0, 256, (32, 32), np.uint8)
OPAQUE = np.full((32, 32, 1), 255, np.uint8)
RGBA = np.concatenate([PICTURE, OPAQUE], axis=-1)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "a.png"
    Image.fromarray(PICTURE).save(path)
    return path


FORMS = {
    "(h, w, 3)": lambda file: PICTURE,
    "(n, h, w, 3)": lambda file: PICTURE[None],
    "(h, w, 4)": lambda file: RGBA,
    "(n, h, w, 4)": lambda file: RGBA[None],
    "not contiguous": lambda file: np.asfortranarray(RGBA)[::1],
    "PIL": lambda file: Image.fromarray(PICTURE),
    "PIL with alpha": lambda file: Image.fromarray(RGBA),
    "a path": lambda file: file,
    "a path as text": str,
    "a list of arrays": lambda file: [PICTURE],
    "a list with an axis each": lambda file: [PICTURE[None]],
    "a tuple of paths": lambda file: (file,),
    "a generator": lambda file: (Image.fromarray(array) for array in PICTURE[None]),
    "an array of paths": lambda file: np.array([str(file)]),
    "an array of objects": lambda file: np.array([file], dtype=object),
    "a tensor": lambda file: torch.from_numpy(PICTURE),
    "a tensor of many": lambda file: torch.from_numpy(PICTURE)[None],
    "a list of tensors": lambda file: [torch.from_numpy(PICTURE)],
    "an image set": lambda file: replace(from_array(np.stack([PICTURE] * 2)), images=PICTURE[None]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_picture_gives_its_pixels(form, file):
    assert np.array_equal(fit_images(FORMS[form](file), COLOUR), PICTURE[None])


def test_lists_may_be_mixed_and_empty(file):
    other = Image.fromarray(PICTURE).resize((50, 40))
    fitted = fit_images([PICTURE, str(file), other, torch.from_numpy(SHADE)], COLOUR)
    expected = [PICTURE, PICTURE, COLOUR(other), np.repeat(SHADE[..., None], 3, axis=-1)]
    assert np.array_equal(fitted, np.stack(expected))
    for nothing in ([], (), np.empty((0, 32, 32, 3), np.uint8)):
        assert fit_images(nothing, COLOUR).shape == (0, 32, 32, 3)


@pytest.mark.parametrize(("fit", "channels"), [(COLOUR, 3), (GREY, 1)])
def test_grey_arrays_of_all_layouts(fit, channels):
    expected = np.repeat(SHADE[None, ..., None], channels, axis=-1)
    with_alpha = np.stack([SHADE, OPAQUE[..., 0]], axis=-1)
    for form in (SHADE, SHADE[..., None], SHADE[None, ..., None], SHADE[None], with_alpha, with_alpha[None]):
        assert np.array_equal(fit_images(form, fit), expected), form.shape
    assert len(fit_images(np.stack([SHADE] * 5), fit)) == 5


@pytest.mark.parametrize("fit", [COLOUR, GREY, Fit(20, background=GREEN)])
@pytest.mark.parametrize("size", [(32, 32), (48, 30)])
def test_what_is_transparent_shows_the_background_as_in_files(tmp_path, fit, size):
    array = RANDOM.integers(0, 256, (*size, 4), np.uint8)
    array[: size[0] // 2, ..., 3] = 0
    fitted = fit_images(array, fit)
    if size != (fit.canvas, fit.canvas) or fit.size == fit.canvas:
        Image.fromarray(array).save(tmp_path / "a.png")
        assert np.array_equal(fitted, fit_images(tmp_path / "a.png", fit))
    if size == (fit.canvas, fit.canvas):
        assert (fitted[0, :16] == np.asarray(fit_images(np.full((32, 32, 3), GREEN, np.uint8), fit))[0, 0, 0]).all()


def test_arrays_of_the_canvas_are_fitted_already():
    """Of a model whose pictures have a margin, whatever their channels: the margin is part of them."""
    margin = Fit(20, background=GREEN)
    assert np.array_equal(fit_images(PICTURE, margin)[0], PICTURE)
    assert np.array_equal(fit_images(RGBA, margin)[0], PICTURE)
    assert np.array_equal(fit_images(SHADE, margin)[0], np.repeat(SHADE[..., None], 3, axis=-1))


CHW = PICTURE.transpose(2, 0, 1)
REFUSED = {
    "channels first": (CHW, r"not uint8 \(3, 32, 32\); move the channels last with transpose\(1, 2, 0\)"),
    "RGBA first": (RGBA.transpose(2, 0, 1), r"transpose\(1, 2, 0\), or images\[\.\.\., None\] for 4 grey images"),
    "many, channels first": (np.stack([CHW] * 5), r"transpose\(0, 2, 3, 1\)"),
    "many, grey first": (SHADE[None, None], r"transpose\(0, 2, 3, 1\)"),
    "a tensor, channels first": (torch.from_numpy(CHW.copy()), "move the channels last"),
    "a list, channels first": ([PICTURE, CHW], r"image 1 of the list must be uint8 \(h, w, c\)"),
    "a list of batches": ([np.stack([PICTURE] * 2)], "image 0 of the list must be one image"),
    "floats": (PICTURE / 255, r"not float64 .*\(255 \* images\)\.round\(\)\.astype\('uint8'\)"),
    "a float tensor": (torch.rand(1, 32, 32, 3), "not float32"),
    "bfloat16": (torch.zeros(1, 32, 32, 3, dtype=torch.bfloat16), "cannot convert Tensor to an array"),
    "zeros and ones": (SHADE // 128, "images hold 0 and 1 alone, .* multiply them by 255"),
    "int64": (PICTURE.astype(np.int64), r"not int64 .*astype\('uint8'\)"),
    "complex": (PICTURE.astype(complex), "not complex128"),
    "one axis": (np.zeros(16, np.uint8), r"not uint8 \(16,\)"),
    "five axes": (PICTURE[None, None], "c is 1"),
    "five channels": (np.zeros((2, 32, 32, 5), np.uint8), "c is 1"),
    "no pixels": (np.zeros((2, 0, 32, 3), np.uint8), "have no pixels"),
    "a number": ([5], "image 0 of the list must be uint8"),
    "nested lists": (PICTURE.tolist(), "image 0 of the list must be .* not int64"),
    "ragged lists": ([[[1, 2], [3]]], "cannot convert list to an array"),
    "nothing in a list": ([PICTURE, None], "image 1 of the list must be .* not object"),
    "bytes": (b"\x89PNG", "cannot be read from bytes"),
    "a mapping": ({"image": PICTURE}, "cannot be read from dict"),
    "no such file": ("nowhere.png", r"nowhere\.png cannot be read: no such file"),
    "a name with a null": ("a\0.png", "cannot be read"),
    "a folder": (".", "is a directory"),
    "PIL of floats": (Image.new("F", (20, 20)), "a PIL image of mode F cannot be read: floating-point"),
    "PIL of no size": (Image.new("L", (0, 9)), "a PIL image of 0 x 9 pixels"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_image_is_refused_in_a_sentence(case):
    images, said = REFUSED[case]
    with pytest.raises(ArmoireError, match=said) as told:
        fit_images(images, COLOUR)
    assert "\n" not in str(told.value)


def test_three_grey_images_are_three_for_a_grey_model():
    assert fit_images(np.stack([SHADE] * 3), GREY).shape == (3, 32, 32, 1)
    with pytest.raises(ArmoireError, match=r"or images\[\.\.\., None\] for 3 grey images"):
        fit_images(np.stack([SHADE] * 3), COLOUR)


def test_a_pil_image_cut_off_is_told(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with Image.open(tmp_path / "a.png") as lazy, pytest.raises(ArmoireError, match="cannot be read"):
        fit_images(lazy, COLOUR)


def test_images_to_train_on_may_be_a_list(file):
    many = RANDOM.integers(0, 256, (12, 32, 32, 3), np.uint8)
    expected = from_array(many).info.fingerprint
    alpha = np.concatenate([many, np.full((12, 32, 32, 1), 255, np.uint8)], axis=-1)
    for form in (list(many), torch.from_numpy(many), [Image.fromarray(image) for image in many], alpha, list(alpha)):
        assert from_array(form).info.fingerprint == expected
    assert from_array([PICTURE, SHADE, file]).shape == (32, 32, 3)
    assert from_array([SHADE, SHADE.T]).shape == (32, 32, 1)
    with pytest.raises(ArmoireError, match=r"of one size, not \(16, 16\) and \(32, 32\)"):
        from_array([PICTURE, PICTURE[:16, :16]])
    for refused in ([], [PICTURE], np.stack([CHW] * 5)):
        with pytest.raises(ArmoireError):
            from_array(refused)


def test_arrays_that_need_no_change_are_not_copied():
    many = np.stack([PICTURE] * 3)
    assert np.shares_memory(fit_images(many, COLOUR), many)
    assert np.shares_memory(stack_images(many, GREEN), many)


def test_numbers_of_all_kinds_become_arrays():
    z = torch.ones(2, requires_grad=True)
    for form in (z, [z, z], np.ones(2), [1, 1], (1.0, 1.0)):
        assert (as_numpy(form) == 1).all()
