"""Links restore the page; two languages, two themes, all window sizes; only what a run supports is shown."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Locator
from visitor import Visitor, alike

WORDS = Path(__file__).parents[2] / "web/src/words"


def words_of(language: str) -> dict[str, str]:
    text = (WORDS / f"{language}.ts").read_text(encoding="utf-8")
    return dict(re.findall(r"^  (\w+): '(.*)',$", text, flags=re.MULTILINE))


def test_a_link_restores_everything(visit, faces_site):
    visitor = visit(faces_site, permissions=["clipboard-read", "clipboard-write"]).open()
    for place in ((-100, 60), (120, -80)):
        visitor.pin(*place)
    visitor.page.get_by_label("Colour").select_option("attribute:Bangs")
    visitor.page.get_by_label("X axis").select_option("dim3")
    visitor.page.get_by_label("Y axis").select_option("dim1")
    visitor.page.keyboard.press("p")
    visitor.page.get_by_role("list", name="Legend").get_by_role("button").nth(1).click()
    visitor.page.locator("[data-slider=d2]").fill("2.5")
    visitor.page.keyboard.press("g")
    visitor.map.focus()
    visitor.page.keyboard.press("+")
    visitor.button("Copy link").click()
    visitor.notice("Link copied")
    link = visitor.page.evaluate("navigator.clipboard.readText()")
    visitor.view()
    address = visitor.address()
    assert address.keys() == {*("lang", "z", "view", "x", "y", "p", "grid", "colour", "hidden", "tab", "edit", "pins")}
    chosen = {"x": "dim3", "y": "dim1", "colour": "attribute:Bangs", "hidden": "no"}
    assert chosen.items() <= address.items()
    assert urlsplit(link).fragment == visitor.hash()
    z = visitor.picture()[0]

    again = visit(faces_site).open(urlsplit(link).fragment)
    again.picture_at(z)
    again.view()
    assert again.address() == address
    assert len(again.pins()) == 2
    assert again.page.locator("[data-slider=d2]").input_value() == "2.5"
    assert again.button("p = Φ(z)").get_attribute("aria-pressed") == "true"
    assert again.button("Decoded grid").get_attribute("aria-pressed") == "true"


def test_a_link_restores_tab_morph_and_slots(visit, discs_site):
    visitor = visit(discs_site).open()
    a, b = visitor.pin(-100, 60), visitor.pin(120, -80)
    for slot, k in (("A", 1), ("B", 0)):
        visitor.button(slot).nth(k).click()
    visitor.button("spherical").click()
    visitor.page.locator("[data-scrub]").fill("0.25")
    visitor.until(lambda: visitor.address().get("morph") == "1_0_0.25_spherical")
    again = visit(discs_site).open(visitor.hash())
    scrub = again.seen("[data-scrub]")
    assert scrub.input_value() == "0.25"
    for t, end in (("0", b), ("1", a)):
        scrub.fill(t)
        again.picture_at(end)


def test_another_link_to_the_open_page_is_followed(visit, discs_site):
    visitor = visit(discs_site).open()
    z = visitor.pin(100, 50)
    plain = visitor.until(lambda: visitor.address().get("z") and visitor.hash())
    visitor.pin(-120, -30)
    visitor.page.keyboard.press("p")
    visitor.until(lambda: visitor.address().get("p") and len(visitor.pins()) == 2)
    for _ in range(3):
        visitor.page.keyboard.press("+")
    link = visitor.until(lambda: visitor.view()[2] > 500 and visitor.hash())
    view = visitor.view()
    # A link without p is one to the latent itself.
    visitor.page.evaluate("hash => { location.hash = hash }", plain)
    visitor.picture_at(z)
    visitor.until(lambda: len(visitor.pins()) == 1)
    visitor.view()
    assert visitor.hash() == plain
    visitor.page.evaluate("hash => { location.hash = hash }", link)
    visitor.until(lambda: len(visitor.pins()) == 2)
    np.testing.assert_allclose(visitor.view(), view)


@pytest.mark.parametrize(
    "damaged",
    [
        "z=AAAA&view=1_2_3&x=dim99&p=&colour=attribute:Nobody&tab=kitchen&edit=d99_1~a0_x&pins=~~*&morph=7_8_9_cubic",
        "%E0%A4%A&z=%00&view=NaN_0_-1_1&sample=1e99_77&hidden=~&lang=xx&grid=2",
        "view=1e308_1e308_1e-300_1&z=AADAfwAAwH8&pins=" + "A" * 4000,
    ],
)
def test_a_damaged_link_opens_the_page(visit, discs_site, damaged):
    visitor = visit(discs_site).go(damaged)
    visitor.until(lambda: visitor.pictures() > 0)
    visitor.until(lambda: visitor.page.locator("header .count").inner_text() == "400 of 400 shown")
    assert "view" not in visitor.address()
    place = visitor.hover(50, 50)
    assert alike(visitor.picture_at(place), discs_site.decoded(place))


def texts(visitor: Visitor) -> set[str]:
    """Every text and accessible name of the page."""
    found = visitor.page.evaluate("""() => {
      const found = []
      for (const one of document.body.querySelectorAll('*')) {
        if (one.closest('script, noscript, style, option[lang]')) continue
        for (const name of ['aria-label', 'title', 'aria-valuetext']) found.push(one.getAttribute(name) ?? '')
        for (const child of one.childNodes) if (child.nodeType === Node.TEXT_NODE) found.push(child.data)
      }
      return found
    }""")
    return {" ".join(text.split()) for text in [*found, *visitor.words_on_map()]}


def test_a_page_in_korean_has_no_english(visit, discs_site, faces_site):
    korean, english = words_of("ko"), words_of("en")
    assert korean.keys() == english.keys()
    assert len(korean) > 100
    # The page's English sentences, with anything in their blanks.
    english_texts = [
        re.compile(re.sub(r"\\\{\w+\\\}", ".*", re.escape(text)))
        for key, text in english.items()
        if text != korean[key] and re.search("[a-z]{2}", re.sub(r"\{\w+\}", "", text))
    ]
    for site, tabs in ((discs_site, ("morph", "sample", "yourImage", "diagnostics")), (faces_site, ("edit",))):
        visitor = visit(site).open("lang=ko")
        assert visitor.page.locator("html").get_attribute("lang") == "ko"
        names = visitor.page.get_by_role("tab").all_inner_texts()
        assert names == [korean[key] for key in ("edit", "morph", "sample", "yourImage", "diagnostics")]
        visitor.page.keyboard.press("?")
        for tab in tabs:
            visitor.page.locator(f"#tab-{tab}").evaluate("(tab) => tab.click()")
            visitor.seen(f"#tab-{tab}[aria-selected=true]")
            seen = texts(visitor)
            assert len(seen) > 30
            assert not [text for text in seen for pattern in english_texts if pattern.fullmatch(text)]


def test_the_chosen_language_is_remembered(visit, discs_site):
    visitor = visit(discs_site, locale="ko-KR").open()
    html = visitor.page.locator("html")
    assert html.get_attribute("lang") == "ko"
    visitor.page.get_by_label("언어").select_option("en")
    visitor.until(lambda: html.get_attribute("lang") == "en")
    assert visitor.page.get_by_role("tab").first.inner_text() == "Edit"
    visitor.until(lambda: visitor.address()["lang"] == "en")
    visitor.page.goto("about:blank")
    visitor.open()
    assert html.get_attribute("lang") == "en"


def test_dark_and_light(visit, discs_site):
    visitor = visit(discs_site, color_scheme="dark").open()
    html, live = visitor.page.locator("html"), visitor.page.locator("[data-live] canvas")

    def style(of: Locator, name: str) -> str:
        return of.evaluate(f"(one) => getComputedStyle(one).{name}")

    assert "dark" in html.get_attribute("class")
    assert style(live, "filter") == "none"
    dark = style(html, "backgroundColor")
    values = visitor.picture()[1]
    theme = visitor.page.get_by_label("Theme")
    theme.select_option("light")
    visitor.until(lambda: "dark" not in (html.get_attribute("class") or ""))
    assert style(html, "backgroundColor") != dark
    # Inverting grey changes only how images are shown.
    assert style(live, "filter") == "invert(1)"
    assert (visitor.picture()[1] == values).all()
    nearest = visitor.page.locator(".nearest button").first

    def outline() -> tuple[int, ...]:
        nearest.hover()
        box = nearest.locator("canvas").bounding_box()
        return visitor.pixel(box["x"] - 1, box["y"] + box["height"] / 2)

    inverted = outline()
    visitor.button("Invert grey").click()
    visitor.until(lambda: style(live, "filter") == "none")
    assert outline() == inverted  # only pictures are
    assert len({inverted, visitor.pixel(*visitor.middle(-400, 0))}) == 2
    theme.select_option("dark")
    visitor.until(lambda: "dark" in html.get_attribute("class"))


def test_reduced_motion_is_respected(visit, discs_site):
    visitor = visit(discs_site).go()
    for motion, duration in (("reduce", "0s"), ("no-preference", "0.14s")):
        visitor.page.emulate_media(reduced_motion=motion)
        button = visitor.button("Copy link")
        found = button.evaluate("(one) => getComputedStyle(one).transitionDuration")
        assert found.split(", ")[0] == duration


@pytest.mark.parametrize("language", ["en", "ko"])
def test_nothing_is_wider_than_the_window(visit, faces_site, language):
    visitor = visit(faces_site).open(f"lang={language}")
    for width, height in ((1440, 900), (1024, 768), (844, 390), (390, 844)):
        visitor.page.set_viewport_size({"width": width, "height": height})
        for tab in ("edit", "morph", "sample", "yourImage", "diagnostics"):
            visitor.page.locator(f"#tab-{tab}").evaluate("(tab) => tab.click()")
            panel = visitor.seen("[role=tabpanel]")
            assert visitor.sideways() <= 0
            for part in (panel, visitor.page.get_by_role("tablist")):
                assert part.evaluate("(one) => one.scrollWidth - one.clientWidth") <= 0
    names = visitor.page.locator(".controls label span").evaluate_all("(all) => all.map((one) => one.offsetHeight)")
    assert len(names) == 3
    assert max(names) < 30  # in one line


def test_on_a_phone_the_panel_opens_and_a_tap_pins(visit, discs_site):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    visitor = visit(discs_site, **phone).open()
    handle = visitor.page.locator("button.handle")
    sheet = visitor.page.locator("aside")
    low = sheet.bounding_box()["height"]
    handle.click()
    assert handle.get_attribute("aria-expanded") == "true"
    visitor.until(lambda: sheet.bounding_box()["height"] > low + 100)
    handle.click()
    visitor.until(lambda: sheet.bounding_box()["height"] == low)
    left, top = visitor.middle(-60, 30)
    visitor.page.touchscreen.tap(left, top)
    place = visitor.at_pixel(left, top)
    assert alike(visitor.picture_at(place, 1e-3), discs_site.decoded(visitor.picture()[0]))
    visitor.until(lambda: len(visitor.pins()) == 1)
    assert visitor.sideways() <= 0


def test_a_run_without_attributes_has_no_attribute_sliders(visit, discs_site, faces_site):
    visitor = visit(discs_site).open()
    assert visitor.page.get_by_text("Attributes", exact=True).count() == 0
    assert visitor.page.locator("[data-slider]").count() == 2
    assert visitor.page.get_by_label("X axis").count() == 0
    visitor = visit(faces_site).open()
    assert visitor.page.get_by_text("Attributes", exact=True).is_visible()
    assert visitor.page.locator("[data-slider^=d]").count() == len(faces_site.wardrobe.directions())
    assert visitor.button("p = Φ(z)").count() == 0  # p is of latent dimensions, not of principal components
    assert visitor.button("Invert grey").count() == 0


def test_a_plain_autoencoder_has_no_p_space_and_no_normal_prior(visit, plain_site):
    visitor = visit(plain_site).open("p=1&tab=sample")
    assert visitor.button("p = Φ(z)").count() == 0
    assert visitor.page.locator("[data-place]").inner_text().startswith("z = ")
    assert visitor.page.get_by_text("drawn from the bounding box of the embeddings").is_visible()
    visitor.page.keyboard.press("p")
    place = visitor.hover(40, 40)
    assert alike(visitor.picture_at(place), plain_site.decoded(place))
    visitor.page.keyboard.press("?")
    assert "Φ" not in visitor.page.get_by_role("dialog").inner_text()


def test_an_unlabelled_folder_has_no_legend(visit, folder_site):
    visitor = visit(folder_site).open()
    assert visitor.page.get_by_role("list", name="Legend").count() == 0
    assert visitor.page.locator("[data-slider^=d]").count() == 0
    assert "Bild ä" in visitor.page.locator(".nearest button").first.get_attribute("title")
    before = visitor.pictures()
    visitor.hover(40, 40)
    visitor.until(lambda: visitor.pictures() > before)
    visitor.tab("Diagnostics")
    assert visitor.page.get_by_text("Share of the plane").count() == 0


def test_missing_parts_of_a_site_are_not_offered(visit, discs_site, tmp_path):
    files = {key: value for key, value in discs_site.manifest["files"].items() if key != "encoder"}
    lacking = discs_site.changed(tmp_path, files=files, diagnostics=None, sheets=None)
    visitor = visit(lacking).open("tab=yourImage")
    assert visitor.page.get_by_role("tab").all_inner_texts() == ["Edit", "Morph", "Sample"]
    assert visitor.page.locator(".nearest canvas").count() == 0
    assert len(visitor.distances()) == 6
