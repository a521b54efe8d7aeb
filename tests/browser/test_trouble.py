"""What is damaged, missing or refused is told in one sentence, and the rest of the page goes on."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("playwright")
from visitor import Visitor, alike


def map_works(visitor: Visitor) -> None:
    """Points are seen, the probe moves, and the nearest images are found."""
    visitor.until(lambda: len(visitor.distances()) == 6)
    visitor.until(lambda: visitor.layer(1)[..., 3].any())
    before = visitor.distances()
    visitor.hover(150, 100)
    visitor.until(lambda: visitor.distances() != before)


def damaged(site, folder: Path, content: bytes) -> dict[str, Path]:
    file = folder / "decoder.onnx"
    file.write_bytes(content)
    return site.files | {"/data/decoder.onnx": file}


def test_a_model_that_was_cut_short(visit, discs_site, tmp_path):
    whole = discs_site.files["/data/decoder.onnx"].read_bytes()
    visitor = visit(damaged(discs_site, tmp_path, whole[:-100])).go()
    words = visitor.seen("[data-live] [role=alert]").inner_text()
    came = f"{len(whole) - 100:,} bytes received, {len(whole):,} expected"
    assert words == f"decoder.onnx is damaged: {came}. Export the explorer again."
    map_works(visitor)


def test_a_model_with_a_flipped_bit(visit, discs_site, tmp_path):
    content = bytearray(discs_site.files["/data/decoder.onnx"].read_bytes())
    content[len(content) // 2] ^= 1
    visitor = visit(damaged(discs_site, tmp_path, bytes(content))).go()
    words = visitor.seen("[data-live] [role=alert]").inner_text()
    assert words.startswith("decoder.onnx is damaged: its SHA-256 differs from the manifest.")
    map_works(visitor)


def test_a_model_that_is_gone(visit, discs_site):
    files = {path: file for path, file in discs_site.files.items() if path != "/data/decoder.onnx"}
    visitor = visit(files)
    visitor.expect("status of 404.*decoder.onnx")
    visitor.go("grid=1&tab=sample")
    words = visitor.seen("[data-live] [role=alert]").inner_text()
    assert words == "decoder.onnx could not be read (HTTP 404). Export the explorer again."
    map_works(visitor)
    assert visitor.button("Decoded grid").count() == 0
    for key in ("Enter", "g", "s", "r", "p", "z"):
        visitor.page.keyboard.press(key)
    map_works(visitor)


def test_a_model_that_is_none(visit, discs_site, tmp_path):
    from armoire.io.files import sha256

    content = b"no model" * 100
    entry = {"path": "decoder.onnx", "bytes": len(content), "sha256": sha256(content)}
    files = discs_site.changed(tmp_path, files=discs_site.manifest["files"] | {"decoder": entry})
    visitor = visit(files | {"/data/decoder.onnx": damaged(discs_site, tmp_path, content)["/data/decoder.onnx"]}).go()
    words = visitor.seen("[data-live] [role=alert]").inner_text()
    assert words.startswith("Images cannot be decoded: the engine did not start (")
    assert words.endswith("The map still works. Reload the page to try again.")
    map_works(visitor)


def test_an_encoder_that_is_gone(visit, discs_site, as_png):
    files = {path: file for path, file in discs_site.files.items() if path != "/data/encoder.onnx"}
    visitor = visit(files)
    visitor.expect("status of 404.*encoder.onnx")
    visitor.open("tab=yourImage")
    image = as_png(discs_site.wardrobe.images.images[0])
    choose = visitor.page.locator("input[type=file]")
    choose.set_input_files({"name": "mine.png", "mimeType": "image/png", "buffer": image})
    visitor.notice("Your image cannot be encoded: encoder.onnx could not be read (HTTP 404)")
    place = visitor.hover(50, 50)
    assert alike(visitor.picture_at(place), discs_site.made(place))


def test_a_browser_without_webassembly(visit, discs_site):
    visitor = visit(discs_site)
    visitor.page.add_init_script("delete globalThis.WebAssembly")
    visitor.go()
    words = visitor.seen("[data-live] [role=alert]").inner_text()
    assert words.startswith("This browser cannot run WebAssembly, so images cannot be decoded. The map still works.")
    map_works(visitor)


def test_a_sheet_of_thumbnails_that_is_gone(visit, discs_site):
    files = {path: file for path, file in discs_site.files.items() if path != "/data/sheet-000.jpg"}
    visitor = visit(files)
    visitor.expect("status of 404.*sheet-000.jpg")
    visitor.go()
    visitor.notice("sheet-000.jpg could not be read")
    map_works(visitor)


def test_latents_that_are_gone(visit, discs_site):
    files = {path: file for path, file in discs_site.files.items() if path != "/data/latents.f32"}
    visitor = visit(files)
    visitor.expect("status of 404.*latents.f32")
    visitor.go()
    visitor.notice("latents.f32 could not be read (HTTP 404). Export the explorer again.")


@pytest.mark.parametrize(
    ("language", "begins"),
    [
        ("en", "data/manifest.json could not be read (HTTP 404)."),
        ("ko", "data/manifest.json을 읽지 못했습니다(HTTP 404)."),
    ],
)
def test_no_manifest_is_one_sentence_instead_of_a_page(visit, discs_site, language, begins):
    files = {path: file for path, file in discs_site.files.items() if path != "/data/manifest.json"}
    visitor = visit(files)
    visitor.expect("status of 404.*manifest.json")
    visitor.go(f"lang={language}")
    words = visitor.seen(".sorry").inner_text()
    assert words.startswith(begins)
    assert visitor.page.locator("body").inner_text().strip() == words


def test_a_manifest_of_a_newer_version_or_of_something_else(visit, discs_site, tmp_path):
    for name, changes, begins in (
        ("newer", {"version": 99}, "These files were written by a newer armoire (format 99). Update the page:"),
        ("other", {"format": "recipe-book"}, "data/manifest.json is not a manifest of armoire."),
        ("half", {"format": None}, "data/manifest.json is not a manifest of armoire."),
    ):
        folder = tmp_path / name
        folder.mkdir()
        visitor = visit(discs_site.changed(folder, **changes)).go()
        assert visitor.seen(".sorry").inner_text().startswith(begins)
        assert not visitor.map.count()


def test_a_manifest_that_is_no_json(visit, discs_site, tmp_path):
    file = tmp_path / "manifest.json"
    file.write_text("<!doctype html>")
    visitor = visit(discs_site.files | {"/data/manifest.json": file}).go()
    assert visitor.seen(".sorry").inner_text().startswith("data/manifest.json could not be read (")


def test_a_drawing_surface_that_was_taken_back(visit, discs_site):
    visitor = visit(discs_site).open()
    before = visitor.layer(1)
    canvas = visitor.map.locator("canvas").nth(1)
    canvas.evaluate("(one) => one.dispatchEvent(new Event('contextlost', { cancelable: true }))")
    visitor.notice("The browser has released the drawing surface; the map is redrawn as soon as it is available again.")
    canvas.evaluate("(one) => { one.getContext('2d').reset(); one.dispatchEvent(new Event('contextrestored')) }")
    visitor.until(lambda: (visitor.layer(1) == before).all())


@contextmanager
def any_host(folder: Path) -> Iterator[str]:
    """A web host that knows nothing of armoire."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=host.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{host.server_port}"
    finally:
        host.shutdown()
        host.server_close()


def test_an_exported_folder_works_anywhere_and_without_the_network_once_it_is_there(visit, discs_site, tmp_path):
    from armoire.publish.site import export_site

    where = tmp_path / "some/where"
    where.parent.mkdir()
    export_site(discs_site.wardrobe.run, where, images=discs_site.wardrobe.images)
    with any_host(tmp_path) as host:
        visitor = visit(f"{host}/some/where/").open("tab=sample")
        assert all(one.url.startswith((f"{host}/some/where/", "blob:")) for one in visitor.complaints.requests)
        visitor.expect(r"ERR_INTERNET_DISCONNECTED .*/icon\.svg")  # Chromium asks again whenever the address changes
        visitor.page.context.set_offline(True)
        for right in (-120, 130):
            place = visitor.hover(right, 40)
            assert alike(visitor.picture_at(place), discs_site.made(place))
        visitor.pin(20, 20)
        visitor.page.keyboard.press("s")
        visitor.page.keyboard.press("g")
        visitor.until(lambda: visitor.layer(0)[..., 3].all())


def test_no_violation_of_a_policy_as_strict_as_the_page_can_bear(visit, discs_site):
    """Every other test would fail of one too; here is shown that they would be heard of."""
    visitor = visit(discs_site).open()
    headers = visitor.complaints.requests[0].response().headers
    assert "default-src 'none'" in headers["content-security-policy"]
    visitor.expect("against the policy", "Content Security Policy", "failed: https://example.invalid")
    visitor.page.evaluate("() => fetch('https://example.invalid/').catch(() => {})")
    visitor.until(lambda: any("against the policy: connect-src" in text for text in visitor.complaints.said))
    assert np.size(visitor.places())
