"""The map: decoding under the pointer, p = Phi(z), the decoded grid, the legend, and the keyboard."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.stats import norm

pytest.importorskip("playwright")
from visitor import A_STEP, alike

STILL = {"reduced_motion": "reduce"}  # without transitions: what is read is final


def test_the_image_under_the_pointer_is_decoded_as_in_python(opened, discs_site):
    visitor = opened(discs_site)
    seen = []
    for right, down in ((-150, 90), (0, 0), (170, -120)):
        seen.append(visitor.picture_at(visitor.hover(right, down)))
        assert alike(seen[-1], discs_site.decoded(visitor.picture()[0]))
    assert (seen[0] != seen[1]).any()
    assert (seen[1] != seen[2]).any()


def test_a_plane_through_many_dimensions_is_decoded_in_colour(opened, faces_site):
    visitor = opened(faces_site)
    x, y = visitor.hover(60, -80)
    axes = np.fromfile(faces_site.files["/data/axes.f32"], "<f4").reshape(-1, 8)
    z = faces_site.wardrobe.latents.split("train").mean.mean(axis=0) + x * axes[0] + y * axes[1]
    assert alike(visitor.picture_at(z, 1e-3), faces_site.decoded(visitor.picture()[0]))


def test_in_p_space_a_point_is_the_probability_below_it(visit, discs_site):
    visitor = visit(discs_site, **STILL).open()
    assert "z₀" in visitor.words_on_map()
    place = visitor.page.locator("[data-place]")
    assert place.inner_text().startswith("z = ")
    visitor.page.keyboard.press("p")
    button = visitor.button("p = Φ(z)")
    visitor.until(lambda: button.get_attribute("aria-pressed") == "true")
    visitor.until(lambda: "p₁ = Φ(z₁)" in visitor.words_on_map())
    p = visitor.hover(120, -70)
    assert 0 < min(p) < max(p) < 1
    z = norm.ppf(p)
    assert alike(visitor.picture_at(z, 1e-3), discs_site.decoded(visitor.picture()[0]))
    assert place.inner_text() == f"p = ({p[0]:.3f}, {p[1]:.3f})"
    button.click()
    visitor.until(lambda: "z₁" in visitor.words_on_map())
    assert button.get_attribute("aria-pressed") == "false"


def test_points_move_to_their_places_in_p_space(visit, discs_site):
    visitor = visit(discs_site).open()
    before = visitor.layer(1)
    visitor.page.keyboard.press("p")
    visitor.until(lambda: visitor.address().get("p"))
    still = visit(discs_site, **STILL).open("p=1")
    visitor.until(lambda: (visitor.layer(1) == still.layer(1)).all())
    assert (before != visitor.layer(1)).any()


def test_the_decoded_grid_has_the_images_decoded_at_its_tiles(visit, discs_site):
    visitor = visit(discs_site, **STILL).open()

    def finest_is_laid() -> bool:
        middle, tile = visitor.grid_tile(16)
        return alike(tile, discs_site.decoded(middle))

    visitor.page.keyboard.press("g")
    visitor.until(lambda: visitor.layer(0)[..., 3].all())
    visitor.until(finest_is_laid)
    coarse = visitor.layer(0)
    view = visitor.view()
    visitor.page.mouse.move(*visitor.middle())
    for _ in range(4):
        visitor.page.mouse.wheel(0, -400)
    visitor.until(lambda: visitor.view()[2] > 8 * view[2])
    visitor.until(finest_is_laid)  # of a level that is 3 finer or more
    assert (coarse != visitor.layer(0)).any()
    visitor.button("Decoded grid").click()
    visitor.until(lambda: visitor.map.locator("canvas").first.is_hidden())


@pytest.mark.parametrize("width", [1280, 400])
def test_in_p_space_the_decoded_grid_fills_the_unit_square(visit, discs_site, width):
    visitor = visit(discs_site, viewport={"width": width, "height": 800}, **STILL).open("p=1&grid=1")
    x, y, *_ = visitor.box()
    left, bottom = np.round(np.subtract(visitor.on_screen(0, 0), (x, y))).astype(int)
    right, top = np.round(np.subtract(visitor.on_screen(1, 1), (x, y))).astype(int)
    visitor.until(lambda: visitor.layer(0)[top:bottom, left:right, 3].all())
    assert not visitor.layer(0)[: top - 1, :, 3].any()
    assert not visitor.layer(0)[:, right + 1 :, 3].any()

    def finest_is_laid() -> bool:
        middle, tile = visitor.grid_tile(16)
        return alike(tile, discs_site.decoded(norm.ppf(middle)))

    visitor.until(finest_is_laid)


@pytest.mark.slow
def test_sixty_moves_a_second_do_not_queue(visit, discs_site):
    visitor = visit(discs_site).open()
    left, top = visitor.middle()
    visitor.page.mouse.move(left - 150, top)
    visitor.picture_at(visitor.at_pixel(left - 150, top))
    before, moves = visitor.pictures(), 120
    for i in range(1, moves + 1):
        visitor.page.mouse.move(left - 150 + 2 * i, top + i % 7)
        visitor.page.wait_for_timeout(16)
    last = visitor.at_pixel(left - 150 + 2 * moves, top + moves % 7)
    visitor.picture_at(last)
    made = visitor.pictures()
    assert made - before <= moves
    visitor.page.wait_for_timeout(200)
    assert visitor.pictures() == made  # nothing was left to be made


def test_zooming_in_turns_points_into_thumbnails_and_back(visit, discs_site):
    # So small that the thumbnails of 400 images overlap.
    visitor = visit(discs_site, viewport={"width": 700, "height": 400}, **STILL).open()
    thumbnails = visitor.map.locator("canvas").nth(2)
    visitor.until(thumbnails.is_hidden)
    visitor.page.mouse.move(*visitor.on_screen(*discs_site.wardrobe.latents.mean[0]))
    for _ in range(4):
        visitor.page.mouse.wheel(0, -400)
    visitor.until(thumbnails.is_visible)
    visitor.until(lambda: visitor.layer(2)[..., 3].any())
    visitor.button("Whole map").click()
    visitor.until(thumbnails.is_hidden)
    assert visitor.layer(1)[..., 3].any()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_class_bars_have_the_legends_colours_and_axes_are_opaque(visit, discs_site, theme):
    visitor = visit(discs_site, color_scheme=theme, **STILL).open()
    for _ in range(3):
        visitor.button("Zoom in").click()
    visitor.until(lambda: visitor.layer(2)[..., 3].any())
    legend = visitor.page.get_by_role("list", name="Legend").get_by_role("button")
    colours = [
        [int(value) for value in re.findall(r"\d+", fill)]
        for fill in legend.locator("circle").evaluate_all("(all) => all.map((one) => getComputedStyle(one).fill)")
    ]
    left, bottom = 40, 24
    for inverted in (theme == "light", theme == "dark"):
        invert = visitor.button("Invert grey")
        assert invert.get_attribute("aria-pressed") == str(inverted).lower()
        visitor.view()
        shown = visitor.screenshot()
        grey = np.ptp(shown.astype(int), axis=2) == 0
        assert grey[visitor.layer(2)[..., 3] == 255].mean() > 0.5  # thumbnails are grey and cover their dots
        for colour in colours:
            assert (shown == colour).all(axis=2).sum() > 100
            assert not (shown == np.subtract(255, colour)).all(axis=2).any()
        invert.click()
    shown = visitor.screenshot()
    assert visitor.layer(2)[:, :left, 3].any()
    assert visitor.layer(2)[-bottom:, :, 3].any()
    for k in range(legend.count()):
        legend.nth(k).click()
    visitor.until(visitor.map.locator("canvas").nth(2).is_hidden)
    visitor.page.keyboard.press("g")
    visitor.until(lambda: visitor.layer(0)[..., 3].all())
    bare = visitor.screenshot()
    assert (bare[:, :left] == shown[:, :left]).all()
    assert (bare[-bottom:] == shown[-bottom:]).all()


def test_axis_values_are_not_cut_off_at_high_zoom(visit, discs_site):
    x, y = -np.abs(discs_site.wardrobe.latents.mean[0])
    visitor = visit(discs_site, **STILL).open(f"view={x}_{y}_0.002_0.002")
    visitor.view()
    words = [word for word in visitor.words_on_map() if re.fullmatch(r"\u2212\d+\.\d{4,}", word)]
    assert len(words) >= 4
    # A text that begins to the left of the map would leave text in its first pixels.
    edge = visitor.layer(4)[30:-24, :2]
    assert (edge == edge[0, 0]).all()


def test_the_view_of_all_points_follows_the_window_until_another_is_chosen(visit, discs_site):
    visitor = visit(discs_site).open()
    for width in (900, 1400):
        visitor.page.set_viewport_size({"width": width, "height": 700})
        fitted = visitor.view()
        visitor.button("Whole map").click()
        assert np.allclose(visitor.view(), fitted, rtol=1e-4)
    assert "view" not in visitor.address()
    visitor.button("Zoom in").click()
    chosen = visitor.until(lambda: visitor.address().get("view"))
    before = visitor.view()
    visitor.page.set_viewport_size({"width": 1000, "height": 800})
    assert visitor.view()[2] != before[2]  # the same part of the map in another number of pixels
    assert visitor.address()["view"] == chosen


def test_dragging_moves_the_map_and_pins_nothing(opened, discs_site):
    visitor = opened(discs_site)
    before = visitor.view()
    visitor.page.mouse.move(*visitor.middle())
    visitor.page.mouse.down()
    visitor.page.mouse.move(*visitor.middle(60, 40), steps=5)
    visitor.page.mouse.up()
    visitor.until(lambda: (visitor.view() != before).any())
    after = visitor.view()
    assert np.allclose((after - before)[:2] * before[2], (-60, 40), atol=0.1)
    assert np.isclose(after[2], before[2])
    assert visitor.pins() == []
    visitor.button("Whole map").click()


def test_groups_of_the_legend_are_hidden_and_coloured_by(visit, discs_site):
    visitor = visit(discs_site).open()
    legend = visitor.page.get_by_role("list", name="Legend")
    groups, count = legend.get_by_role("button"), visitor.page.locator("header .count")
    assert groups.all_inner_texts() == ["a", "b", "c"]
    assert count.inner_text() == "400 of 400 shown"
    before = visitor.layer(1)
    groups.first.click()
    shown = (discs_site.wardrobe.latents.labels != 0).sum()
    visitor.until(lambda: count.inner_text() == f"{shown} of 400 shown")
    assert groups.first.get_attribute("aria-pressed") == "false"
    visitor.until(lambda: visitor.layer(1)[..., 3].astype(bool).sum() < before[..., 3].astype(bool).sum())
    assert visitor.until(lambda: visitor.address().get("hidden")) == "0"
    groups.first.click()
    visitor.until(lambda: (visitor.layer(1) == before).all())
    groups.nth(1).dblclick()  # hides all others
    visitor.until(lambda: visitor.address().get("hidden") == "0~2~-1")
    colour = visitor.page.get_by_label("Colour")
    assert colour.locator("option").all_inner_texts() == ["class", "split", "none"]
    colour.select_option("split")
    visitor.until(lambda: groups.all_inner_texts() == ["train", "test"])
    colour.select_option("none")
    legend.wait_for(state="detached")


def test_the_nearest_images_are_those_of_python(opened, discs_site):
    visitor = opened(discs_site)
    z = visitor.hover(80, 50)
    found = discs_site.wardrobe.nearest(np.float32([z]), k=6)
    visitor.until(lambda: np.allclose(visitor.distances(), found.distances[0], atol=0.0051))
    assert len(visitor.distances()) == 6
    title = visitor.page.locator(".nearest button").first.get_attribute("title")
    latents = discs_site.wardrobe.latents
    row = found.rows[0, 0]
    assert title.startswith(f"{latents.ids[row]}, {'abc'[latents.labels[row]]}, distance ")
    visitor.page.locator(".nearest button").first.click()
    visitor.picture_at(latents.mean[row], 1e-5)


def test_the_map_works_by_keyboard(visit, discs_site):
    visitor = visit(discs_site).open()
    keyboard = visitor.page.keyboard
    visitor.map.focus()
    scale = visitor.view()[2]
    keyboard.press("ArrowRight")
    visitor.picture_at((A_STEP / scale, 0))
    keyboard.press("ArrowUp")
    keyboard.press("Shift+ArrowLeft")
    z = (-7 * A_STEP / scale, A_STEP / scale)
    assert alike(visitor.picture_at(z), discs_site.decoded(visitor.picture()[0]))
    keyboard.press("Enter")
    visitor.until(lambda: len(visitor.pins()) == 1)
    assert np.allclose(visitor.pins()[0], z, atol=1e-5)
    keyboard.press("+")
    visitor.until(lambda: np.isclose(visitor.view()[2], 1.4 * scale, rtol=1e-4))
    keyboard.press("0")
    visitor.until(lambda: np.isclose(visitor.view()[2], scale, rtol=1e-4))
    keyboard.press("z")
    visitor.until(lambda: len(visitor.pins()) == 0)


def test_the_tab_key_reaches_everything_with_a_visible_focus(opened, faces_site):
    visitor = opened(faces_site)
    stops = []
    while not stops or not stops[-1]["body"]:
        visitor.page.keyboard.press("Tab")
        stops.append(visitor.focused())
        assert stops[-1]["body"] or stops[-1]["outlined"], stops[-1]
        assert len(stops) < 80, f"the focus does not return: {stops}"
    assert any(stop["map"] for stop in stops)
    assert any(stop["name"].startswith("Smiling") or stop["name"] == "INPUT" for stop in stops)


def test_a_question_mark_shows_the_shortcuts_and_escape_hides_them(opened, discs_site):
    visitor = opened(discs_site)
    dialog = visitor.page.get_by_role("dialog")
    for _ in range(20):  # without a pause: the page must not miss that Escape has closed it
        visitor.page.keyboard.press("?")
        dialog.wait_for()
        visitor.page.keyboard.press("Escape")
    visitor.page.keyboard.press("?")
    dialog.wait_for()
    assert "switch between z and p = Φ(z)" in dialog.inner_text()
    visitor.page.keyboard.press("?")
    dialog.wait_for(state="hidden")


def test_webgl_draws_the_points(visit, discs_site):
    visitor = visit(discs_site, **STILL)
    if not visitor.page.evaluate("document.createElement('canvas').getContext('webgl2') !== null"):
        pytest.skip("this Chromium has no WebGL 2")
    visitor.expect("GPU stall due to ReadPixels", "SwiftShader", "WebGL")
    visitor.open(query="?points=webgl")
    assert visitor.map.get_attribute("data-points") == "webgl"
    points = visitor.map.locator("canvas").nth(1)
    # A WebGL canvas can be read only within the frame that drew it.
    covered = """(canvas) => new Promise((resolve) => requestAnimationFrame(() => {
      resolve(read(canvas).data.filter((value, i) => i % 4 === 3 && value > 0).length)
    }))"""

    def drawn() -> int:
        visitor.page.keyboard.press("+")
        visitor.page.keyboard.press("-")
        return points.evaluate(covered)

    visitor.map.focus()
    assert visitor.until(drawn) > 200
