from __future__ import annotations

import numpy as np
import pytest

from armoire.figures.style import CLASS_COLOURS, SEQUENCE, dimension, number, tall_enough, vector, wrap

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
# Ottosson 2020, OKLab.
TO_LMS = np.array(
    [[0.41222147, 0.53633254, 0.05144599], [0.2119035, 0.6806995, 0.10739696], [0.08830246, 0.28171884, 0.6299787]]
)
TO_LAB = np.array(
    [[0.21045426, 0.79361779, -0.00407205], [1.9779985, -2.42859221, 0.45059371], [0.0259040, 0.78277177, -0.80867577]]
)


def oklab(colours: tuple[str, ...], sight: str) -> np.ndarray:
    rgb = np.array([[int(c[k : k + 2], 16) / 255 for k in (1, 3, 5)] for c in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.asarray(SIGHT[sight]).T, 0, 1)
    return np.cbrt(seen @ TO_LMS.T) @ TO_LAB.T


def test_class_colours_differ_for_every_kind_of_colour_vision():
    for sight in SIGHT:
        lab = oklab(CLASS_COLOURS, sight)
        apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)[np.triu_indices(10, 1)]
        assert apart.min() > 0.11, sight


def test_class_colours_are_visible_on_light_and_dark():
    lightness = oklab(CLASS_COLOURS, "normal")[:, 0]
    assert lightness.min() > 0.35
    assert lightness.max() < 0.84


def test_a_heat_map_darkens_in_even_steps_for_every_kind_of_colour_vision():
    steps = -np.diff(oklab(SEQUENCE, "normal")[:, 0])
    assert steps.max() / steps.min() < 1.1
    for sight in SIGHT:
        assert (-np.diff(oklab(SEQUENCE, sight)[:, 0])).min() > 0.06, sight


def test_a_sheet_is_as_high_as_its_text_and_its_body():
    short, long = tall_enough(3, "Title", "Words"), tall_enough(3, "Title", "words " * 60)
    assert short.top == pytest.approx(3, abs=0.01)
    assert long.top == pytest.approx(3, abs=0.01)
    assert long.figure.get_figheight() > short.figure.get_figheight()


def test_numbers_have_a_minus_sign_and_few_digits():
    assert vector([-1.234, 0.5]) == "(−1.23, 0.50)"
    assert vector([-12.34, 9.999]) == "(−12.3, 10.0)"
    assert number(0.0523, 3) == "0.052"
    assert dimension(21) == "z₂₁"


def test_names_with_hyphens_are_not_broken():
    assert "fashion-ae-rmse," in wrap("a title that names fashion-ae-rmse, a run", 2.5, 19).split()
