"""The panels: samples, sliders, pins, morphs, an image of one's own, diagnostics."""

from __future__ import annotations

import base64
from io import BytesIO
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright")
from visitor import Visitor, alike, pixels, pixels_of_all

ENDS = ((-150, 90), (170, -120))


def samples(visitor: Visitor, unlike: list[np.ndarray] | None = None) -> list[np.ndarray]:
    """The 18 samples, once all are drawn and each differs from the one `unlike`."""
    canvases = visitor.page.locator("[data-tray] canvas")
    visitor.until(lambda: canvases.count() == 18)

    def all_drawn() -> list[np.ndarray] | None:
        found = pixels_of_all(canvases)
        drawn = all(one[..., 3].all() for one in found)
        new = unlike is None or all((a != b).any() for a, b in zip(found, unlike, strict=True))
        return found if drawn and new else None

    return visitor.until(all_drawn)


def test_samples_are_drawn_and_a_link_draws_the_same(visit, faces_site):
    visitor = visit(faces_site).open()
    visitor.page.keyboard.press("s")
    first = samples(visitor)
    assert visitor.page.get_by_text("draw 1", exact=True).is_visible()
    visitor.page.keyboard.press("s")
    second = samples(visitor, unlike=first)
    visitor.until(lambda: visitor.address().get("sample") == "2_0")
    again = visit(faces_site).open(visitor.hash())
    assert all((a == b).all() for a, b in zip(samples(again), second, strict=True))
    again.page.get_by_label("drawn from").select_option("the bounding box of the embeddings")
    samples(again, unlike=second)


def test_samples_are_drawn_from_a_fitted_prior(visit, folder_site):
    visitor = visit(folder_site).open("tab=sample")
    fitted = samples(visitor)
    drawn_from = visitor.page.get_by_label("drawn from")
    assert drawn_from.locator("option:checked").inner_text() == "averages of neighbouring training images"
    visitor.button("Pin all").click()
    visitor.until(lambda: len(visitor.pins()) == 18)
    drawn = folder_site.wardrobe.sample(4096, prior="neighbours")
    far = [np.abs(drawn - z).max(axis=1) for z in visitor.pins()]
    assert max(distances.min() for distances in far) < 1e-5
    of_drawn = folder_site.wardrobe.sample_sources(4096, prior="neighbours")
    sources = visitor.page.locator("[data-sources]")

    def shown(k: int) -> bool:
        visitor.page.locator("[data-tray] button").nth(k).hover()
        return any(f"Sample {k + 1} lies between" in text for text in sources.all_inner_texts())

    for k in (0, 6):
        visitor.until(lambda k=k: shown(k))
        assert set(sources.locator(".named").all_inner_texts()) == set(of_drawn[far[k].argmin()])
    assert visitor.page.get_by_text("share none if the images are private").count() == 1
    first = sources.get_by_role("button").first
    visitor.until(lambda: pixels(first.locator("canvas"))[..., 3].all())
    name = first.locator(".named").inner_text()
    first.click()
    row = folder_site.wardrobe.latents.ids.index(name)
    visitor.until(lambda: np.abs(visitor.picture()[0] - folder_site.wardrobe.latents.mean[row]).max() < 1e-5)
    drawn_from.select_option("N(0, I)")
    samples(visitor, unlike=fitted)


def test_a_sample_is_shown_and_pinned(visit, faces_site):
    visitor = visit(faces_site).open("tab=sample")
    fifth = samples(visitor)[4][..., :3]
    before = visitor.pictures()
    visitor.page.locator("[data-tray] button").nth(4).hover()
    visitor.until(lambda: visitor.pictures() > before and alike(visitor.picture()[1], fifth))
    z, shown = visitor.picture()
    assert alike(shown, faces_site.decoded(z))
    visitor.button("Pin sample 5").click()
    visitor.until(lambda: len(visitor.pins()) == 1)
    assert np.array_equal(visitor.pins()[0], z)
    visitor.button("Pin all").click()
    visitor.until(lambda: len(visitor.pins()) == 19)


def test_sliders_are_reset_and_undone(opened, faces_site):
    visitor = opened(faces_site)
    mean = visitor.picture()[0]
    slider = visitor.page.locator("[data-slider=d0]")
    slider.fill("3")
    visitor.until(lambda: not np.allclose(visitor.picture()[0], mean, atol=1e-3))
    edited = visitor.picture()[0]
    visitor.page.keyboard.press("r")
    visitor.picture_at(mean)
    assert slider.input_value() == "0"
    visitor.page.keyboard.press("z")
    visitor.picture_at(edited)
    assert slider.input_value() == "3"
    visitor.page.keyboard.press("Control+z")
    visitor.picture_at(mean)
    assert visitor.button("Undo").is_disabled()


def test_sliders_move_along_the_directions_of_the_run(opened, faces_site):
    visitor = opened(faces_site)
    mean = faces_site.wardrobe.latents.split("train").mean.mean(axis=0)
    visitor.picture_at(mean)
    directions = list(faces_site.wardrobe.directions().values())
    smiling = next(direction for direction in directions if direction.attribute == "Smiling")
    slider = visitor.page.locator(f"[data-slider=d{directions.index(smiling)}]")
    assert visitor.page.locator("label", has=slider).locator(".name").inner_text() == "Smiling"
    slider.fill("1.5")
    z = mean + 1.5 * smiling.scale * smiling.vector
    assert alike(visitor.picture_at(z), faces_site.decoded(z))
    assert visitor.page.locator("label", has=slider).locator("output").inner_text() == "+1.5 sd"
    component = visitor.page.locator("[data-slider=a0]")
    component.fill("-2")
    axis = np.fromfile(faces_site.files["/data/axes.f32"], "<f4")[:8]
    both = z - 2 * faces_site.manifest["axes"][0]["scale"] * axis
    assert alike(visitor.picture_at(both), faces_site.decoded(both))
    component.dblclick()
    visitor.picture_at(z)
    visitor.button("Pin the edited image").click()
    visitor.until(lambda: len(visitor.pins()) == 1)
    assert np.allclose(visitor.pins()[0], z, atol=1e-5)


def test_pins_are_reordered_and_removed_with_the_keyboard(visit, discs_site):
    visitor = visit(discs_site).open()
    pinned = [visitor.pin(*place) for place in (*ENDS, (0, 0))]
    items = visitor.page.locator("[data-item]")
    visitor.until(lambda: pixels(items.nth(2).locator("canvas"))[..., 3].all())
    for k, z in enumerate(pinned):
        assert alike(pixels(items.nth(k).locator("canvas")), discs_site.decoded(z))

    def order() -> list[int]:
        return [next(k for k, z in enumerate(pinned) if np.array_equal(z, pin)) for pin in visitor.pins()]

    items.nth(0).focus()
    visitor.page.keyboard.press("Shift+ArrowRight")
    visitor.until(lambda: order() == [1, 0, 2])
    visitor.page.keyboard.press("Shift+ArrowRight")  # the focus has gone along
    visitor.until(lambda: order() == [1, 2, 0])
    visitor.page.keyboard.press("Delete")
    visitor.until(lambda: order() == [1, 2])
    for expected in ([1, 2, 0], [1, 0, 2], [0, 1, 2], [0, 1]):
        visitor.page.keyboard.press("z")
        visitor.until(lambda expected=expected: order() == expected)
    items.nth(0).click()
    visitor.picture_at(pinned[0])
    visitor.button("Remove").first.click()
    visitor.until(lambda: order() == [1])


def test_pins_are_reordered_with_the_mouse(visit, discs_site):
    visitor = visit(discs_site).open()
    first, second = (visitor.pin(*place) for place in ENDS)
    items = visitor.page.locator("[data-item]")
    items.nth(0).drag_to(items.nth(1))
    visitor.until(lambda: np.array_equal(visitor.pins(), [second, first]))
    visitor.tab("Morph")
    items.nth(1).drag_to(visitor.page.locator("[data-slot=a]"))
    items.nth(0).drag_to(visitor.page.locator("[data-slot=b]"))
    visitor.until(lambda: visitor.address().get("morph") == "1_0_0.5_linear")


def morphing(visitor: Visitor) -> tuple[np.ndarray, np.ndarray]:
    """Pin two latents and assign them to the slots by key; the latents."""
    a, b = (visitor.pin(*place) for place in ENDS)
    items = visitor.page.locator("[data-item]")
    items.nth(0).focus()
    visitor.page.keyboard.press("a")
    items.nth(1).focus()
    visitor.page.keyboard.press("b")
    visitor.seen("[data-scrub]")
    return a, b


def test_a_morph_is_the_interpolation_of_python_and_is_saved_as_png_and_gif(visit, discs_site):
    visitor = visit(discs_site).open()
    a, b = morphing(visitor)
    path = discs_site.wardrobe.interpolate
    straight = path(a, b, steps=9)
    with visitor.page.expect_download() as waited:
        visitor.button("Save PNG").click()
    assert waited.value.suggested_filename == "morph.png"
    with Image.open(waited.value.path()) as strip:
        assert strip.size == (9 * 256 + 8 * 16, 256)
        saved = np.asarray(strip.convert("RGBA"))[8::16]
    for k, z in enumerate(straight):
        assert alike(saved[:, k * 272 + 8 : k * 272 + 256 : 16], discs_site.decoded(z))
    with visitor.page.expect_download() as waited:
        visitor.button("Save GIF").click()
    assert waited.value.suggested_filename == "morph.gif"
    with Image.open(waited.value.path()) as film:
        assert (film.format, film.size, film.n_frames) == ("GIF", (256, 256), 24 + 22)
        assert alike(np.asarray(film.convert("RGBA"))[8::16, 8::16], discs_site.decoded(straight[0]))
        film.seek(23)
        assert alike(np.asarray(film.convert("RGBA"))[8::16, 8::16], discs_site.decoded(straight[-1]))
    visitor.picture_at((a + b) / 2)
    scrub = visitor.page.locator("[data-scrub]")
    for t, end in (("0", a), ("1", b)):
        scrub.fill(t)
        assert alike(visitor.picture_at(end, 1e-6), discs_site.decoded(end))
    visitor.button("spherical").click()
    scrub.fill("0.5")
    middle = path(a, b, steps=3, kind="spherical")[1]
    assert not np.allclose(middle, (a + b) / 2, atol=1e-3)
    assert alike(visitor.picture_at(middle), discs_site.decoded(middle))
    strip = visitor.page.locator(".strip canvas")
    assert strip.count() == 9
    steps = path(a, b, steps=9, kind="spherical")
    decoded = [discs_site.decoded(z) for z in steps]
    visitor.until(lambda: all(map(alike, pixels_of_all(strip), decoded)))
    visitor.button("25 %").click()
    visitor.picture_at(steps[2])


def choose(visitor: Visitor, name: str, content: bytes) -> None:
    visitor.page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "image/png", "buffer": content})


@pytest.mark.parametrize("which", ["discs_site", "faces_site"])
def test_an_image_of_ones_own_is_encoded_as_in_python(visit, request, which, as_png):
    site = request.getfixturevalue(which)
    wardrobe = site.wardrobe
    image = wardrobe.images.images[0]
    visitor = visit(site).open("tab=yourImage")
    assert visitor.page.get_by_text("It stays on this computer.", exact=True).is_visible()
    sent = len(visitor.requests())
    choose(visitor, "mine.png", as_png(image))
    z = wardrobe.encode(image)[0]
    assert alike(visitor.picture_at(z, 1e-3), site.decoded(z))
    status = visitor.page.locator("[role=tabpanel] [role=status]")
    error = float(wardrobe.squared_errors(image)[0])
    visitor.until(lambda: "Squared error" in status.inner_text())
    words = status.inner_text().removeprefix("Squared error ")
    assert float(words.split(":")[0]) == pytest.approx(error, rel=0.1)
    below = np.searchsorted(wardrobe.calibration.error_percentiles(), error)
    assert abs(int(words.split("for ")[1].split(" %")[0]) - below) <= 3
    shown = visitor.page.locator(".three canvas")
    assert alike(pixels(shown.nth(1)), image)
    assert alike(pixels(shown.nth(2)), site.decoded(z))
    # The encoder was fetched, nothing was sent.
    requests = visitor.requests()[sent:]
    assert [urlsplit(one.url).path for one in requests] == ["/data/encoder.onnx"]
    assert [(one.method, one.post_data) for one in requests] == [("GET", None)]
    other = 255 - image
    choose(visitor, "other.png", as_png(other))
    visitor.picture_at(wardrobe.encode(other)[0], 1e-3)
    assert visitor.requests()[sent + 1 :] == []


def test_a_grey_image_can_be_inverted(visit, discs_site, as_png):
    image = discs_site.wardrobe.images.images[0]
    visitor = visit(discs_site).open("tab=yourImage")
    choose(visitor, "letter.png", b"Dear Sir or Madam")
    visitor.notice("letter.png could not be read as an image. Supported formats: JPEG, PNG, WebP, GIF and BMP.")
    choose(visitor, "inverted.png", as_png(255 - image))
    visitor.page.get_by_label("Invert it first").check()
    visitor.picture_at(discs_site.wardrobe.encode(image)[0], 1e-3)


def test_an_image_can_be_dropped_anywhere(visit, discs_site, as_png):
    visitor = visit(discs_site).open()
    image = discs_site.wardrobe.images.images[5]
    for name, content in (("mine.png", as_png(image)), ("letter.png", b"Dear Sir or Madam")):
        transfer = visitor.page.evaluate_handle(
            """([name, text]) => {
              const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
              const transfer = new DataTransfer()
              transfer.items.add(new File([bytes], name, { type: 'image/png' }))
              return transfer
            }""",
            [name, base64.b64encode(content).decode()],
        )
        visitor.map.dispatch_event("dragover", {"dataTransfer": transfer})
        visitor.page.get_by_text("Drop the image. It stays on this computer.").wait_for()
        visitor.map.dispatch_event("drop", {"dataTransfer": transfer})
        visitor.picture_at(discs_site.wardrobe.encode(image)[0], 1e-3)
    assert visitor.page.get_by_role("tab", name="Your image").get_attribute("aria-selected") == "true"
    visitor.notice("letter.png could not be read")


def test_an_image_of_another_size_is_preprocessed_as_in_python(visit, faces_site):
    random = np.random.default_rng(0)
    photograph = Image.fromarray(random.integers(0, 255, (9, 13, 3), np.uint8)).resize((130, 90))
    buffer = BytesIO()
    photograph.save(buffer, "PNG")
    visitor = visit(faces_site).open("tab=yourImage")
    choose(visitor, "photograph.png", buffer.getvalue())
    visitor.picture_at(faces_site.wardrobe.encode(photograph)[0], 1e-3)
    assert alike(pixels(visitor.page.locator(".three canvas").nth(1)), faces_site.wardrobe.preprocess(photograph)[0])


def test_diagnostics_show_the_numbers_of_the_manifest(visit, discs_site):
    visitor = visit(discs_site).open("tab=diagnostics")
    diagnostics = discs_site.manifest["diagnostics"]
    panel = visitor.page.get_by_role("tabpanel")
    words = panel.inner_text()
    assert f"{diagnostics['active_units']} of 2 dimensions in use" in words
    worst = int(np.argmax(diagnostics["ks"]))
    caption = panel.locator("figcaption").first.inner_text().split()
    assert caption == [f"z{worst}", "KS", f"{diagnostics['ks'][worst]:.3f}"]
    visitor.until(lambda: panel.locator(".bars").first.get_attribute("d"))
    rows = panel.locator("li")
    assert rows.count() == 3
    share = 100 * diagnostics["areas"]["area_share"]["a"]
    assert rows.first.get_attribute("aria-label").startswith(f"a: {share:.{0 if share >= 10 else 1}f} % of the plane")
