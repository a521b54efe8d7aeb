from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from shape_runs import words

from armoire.figures.leakage import TARGET, heat_map

NAMES = ["Smiling", "Male", "Young"]


def panels(figure):
    return [axes for axes in figure.axes if axes.get_title(loc="left")]


def test_each_method_has_a_panel_on_one_scale_with_the_target_hatched():
    matrices = {
        "difference": np.array([[1, 0.5, 0.25], [0.125, 1, 0.0]]),
        "partial": np.array([[0.9, 0.1, np.nan], [0.2, 0.8, 0.3]]),
    }
    figure = heat_map(matrices, NAMES[:2], NAMES)
    assert [axes.get_title(loc="left") for axes in panels(figure)] == ["difference", "partial"]
    # Over the cells that both methods reach.
    assert [axes.get_title(loc="right") for axes in panels(figure)] == ["mean 0.21", "mean 0.20"]
    for axes, matrix in zip(panels(figure), matrices.values(), strict=True):
        (image,) = axes.get_images()
        assert (image.norm.vmin, image.norm.vmax) == (0, 0.5)
        shown = np.ma.filled(image.get_array(), np.nan)
        expected = matrix.copy()
        expected[[0, 1], [0, 1]] = np.nan
        np.testing.assert_array_equal(shown, expected)
        hatched = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        assert [patch.get_xy() for patch in hatched] == [(-0.5, -0.5), (0.5, 0.5)]
        assert {to_hex(patch.get_facecolor()) for patch in hatched} == {TARGET}
        numbers = ["–" if np.isnan(value) else f"{value:.2f}" for value in matrix.ravel()]
        assert [text.get_text() for text in axes.texts] == numbers
        assert [label.get_text() for label in axes.get_xticklabels()] == NAMES
    first, second = panels(figure)
    assert [label.get_text() for label in first.get_yticklabels()] == NAMES[:2]
    assert [label.get_text() for label in second.get_yticklabels()] == ["", ""]
    assert "the target itself" in words(figure).replace("\n", " ")


@pytest.mark.parametrize(("attributes", "printed"), [(12, 144), (13, 0), (40, 0)])
def test_cells_of_up_to_twelve_attributes_show_numbers(attributes: int, printed: int):
    names = [f"attribute_{k}" for k in range(attributes)]
    figure = heat_map(dict.fromkeys(("a", "b", "c"), np.full((attributes, attributes), 0.5)), names, names)
    (first, *_) = panels(figure)
    assert len(first.texts) == printed
    width = first.get_position().width * figure.get_figwidth()
    assert width / attributes >= 0.16 - 1e-9
    last = panels(figure)[-1].get_position()
    assert last.x1 <= 1


def test_only_the_target_or_only_zeros_can_be_drawn():
    (axes,) = panels(heat_map({"partial": np.ones((1, 1))}, ["Smiling"], ["Smiling"]))
    assert axes.get_title(loc="right") == "mean –"
    (axes,) = panels(heat_map({"partial": np.zeros((1, 2))}, ["Smiling"], ["Smiling", "Male"]))
    assert axes.get_images()[0].norm.vmax == 1
