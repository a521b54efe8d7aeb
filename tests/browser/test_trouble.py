"""What is damaged, missing or refused is reported in one sentence, and the rest of the page works."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("playwright")
from visitor import Visitor, alike

from armoire.io.files import sha256
from armoire.publish.site import export_site


def map_works(visitor: Visitor) -> None:
    """Points are drawn, the probe moves, and the nearest images are found."""
    visitor.until(lambda: len(visitor.distances()) == 6)
    visitor.until(lambda: visitor.layer(1)[..., 3].any())
    before = visitor.distances()
    visitor.hover(150, 100)
    visitor.until(lambda: visitor.distances() != before)


def without(site, name: str) -> dict[str, Path]:
    return {path: file for path, file in site.files.items() if path != f"/data/{name}"}


def cut_short(content: bytes) -> bytes:
    return content[:-100]


def flip_bit(content: bytes) -> bytes:
    return content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1 :]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut_short, "decoder.onnx is damaged: {short} bytes received, {all} expected. Export the explorer again."),
        (flip_bit, "decoder.onnx is damaged: its SHA-256 differs from the manifest."),
    ],
)
def test_a_damaged_decoder(visit, discs_site, tmp_path, damage, words):
    content, file = discs_site.files["/data/decoder.onnx"].read_bytes(), tmp_path / "decoder.onnx"
    file.write_bytes(damage(content))
    visitor = visit(discs_site.files | {"/data/decoder.onnx": file}).go()
    expected = words.format(short=f"{len(content) - 100:,}", all=f"{len(content):,}")
    assert visitor.seen("[data-live] [role=alert]").inner_text().startswith(expected)
    map_works(visitor)


def test_a_missing_decoder(visit, discs_site):
    visitor = visit(without(discs_site, "decoder.onnx"))
    visitor.expect("status of 404.*decoder.onnx")
    visitor.go("grid=1&tab=sample")
    words = visitor.seen("[data-live] [role=alert]").inner_text()
    assert words == "decoder.onnx could not be read (HTTP 404). Export the explorer again."
    map_works(visitor)
    assert visitor.button("Decoded grid").count() == 0
    for key in ("Enter", "g", "s", "r", "p", "z"):
        visitor.page.keyboard.press(key)
    map_works(visitor)


def test_a_decoder_that_is_no_model(visit, discs_site, tmp_path):
    content, file = b"no model" * 100, tmp_path / "decoder.onnx"
    file.write_bytes(content)
    entry = {"path": "decoder.onnx", "bytes": len(content), "sha256": sha256(content)}
    files = discs_site.changed(tmp_path, files=discs_site.manifest["files"] | {"decoder": entry})
    visitor = visit(files | {"/data/decoder.onnx": file}).go()
    words = visitor.seen("[data-live] [role=alert]").inner_text()
    assert words.startswith("Images cannot be decoded: the engine did not start (")
    assert words.endswith("The map still works. Reload the page to try again.")
    map_works(visitor)


def test_a_missing_encoder(visit, discs_site, as_png):
    visitor = visit(without(discs_site, "encoder.onnx"))
    visitor.expect("status of 404.*encoder.onnx")
    visitor.open("tab=yourImage")
    image = as_png(discs_site.wardrobe.images.images[0])
    choose = visitor.page.locator("input[type=file]")
    choose.set_input_files({"name": "mine.png", "mimeType": "image/png", "buffer": image})
    visitor.notice("Your image cannot be encoded: encoder.onnx could not be read (HTTP 404)")
    place = visitor.hover(50, 50)
    assert alike(visitor.picture_at(place), discs_site.decoded(place))


def test_a_browser_without_webassembly(visit, discs_site):
    visitor = visit(discs_site)
    visitor.page.add_init_script("delete globalThis.WebAssembly")
    visitor.go()
    words = visitor.seen("[data-live] [role=alert]").inner_text()
    assert words.startswith("This browser cannot run WebAssembly, so images cannot be decoded. The map still works.")
    map_works(visitor)


@pytest.mark.parametrize("name", ["sheet-000.jpg", "latents.f32"])
def test_missing_thumbnails_or_latents(visit, discs_site, name):
    visitor = visit(without(discs_site, name))
    visitor.expect(f"status of 404.*{name}")
    visitor.go()
    visitor.notice(f"{name} could not be read")
    if name != "latents.f32":
        map_works(visitor)


@pytest.mark.parametrize(
    ("language", "begins"),
    [
        ("en", "data/manifest.json could not be read (HTTP 404)."),
        ("ko", "data/manifest.json을 읽지 못했습니다(HTTP 404)."),
    ],
)
def test_without_a_manifest_the_page_is_one_sentence(visit, discs_site, language, begins):
    visitor = visit(without(discs_site, "manifest.json"))
    visitor.expect("status of 404.*manifest.json")
    visitor.go(f"lang={language}")
    words = visitor.seen(".sorry").inner_text()
    assert words.startswith(begins)
    assert visitor.page.locator("body").inner_text().strip() == words


def test_a_manifest_of_a_newer_version_or_of_something_else(visit, discs_site, tmp_path):
    newer = "These files were written by a newer armoire (format 99). Update the page:"
    other = "data/manifest.json is not a manifest of armoire."
    for changes, begins in (({"version": 99}, newer), ({"format": "recipe-book"}, other), ({"format": None}, other)):
        visitor = visit(discs_site.changed(tmp_path, **changes)).go()
        assert visitor.seen(".sorry").inner_text().startswith(begins)
        assert not visitor.map.count()
    (tmp_path / "manifest.json").write_text("<!doctype html>")
    visitor = visit(discs_site.files | {"/data/manifest.json": tmp_path / "manifest.json"}).go()
    assert visitor.seen(".sorry").inner_text().startswith("data/manifest.json could not be read (")


def test_a_canvas_that_the_browser_releases_is_drawn_again(visit, discs_site):
    visitor = visit(discs_site).open()
    before = visitor.layer(1)
    canvas = visitor.map.locator("canvas").nth(1)
    canvas.evaluate("(one) => one.dispatchEvent(new Event('contextlost', { cancelable: true }))")
    visitor.notice("The browser has released the drawing surface; the map is redrawn as soon as it is available again.")
    canvas.evaluate("(one) => { one.getContext('2d').reset(); one.dispatchEvent(new Event('contextrestored')) }")
    visitor.until(lambda: (visitor.layer(1) == before).all())


@contextmanager
def any_host(folder: Path) -> Iterator[str]:
    """Python's own web server."""

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


def test_an_exported_folder_works_on_any_host_and_offline_once_it_is_loaded(visit, discs_site, tmp_path):
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
            assert alike(visitor.picture_at(place), discs_site.decoded(place))
        visitor.pin(20, 20)
        visitor.page.keyboard.press("s")
        visitor.page.keyboard.press("g")
        visitor.until(lambda: visitor.layer(0)[..., 3].all())


def test_the_content_security_policy_is_enforced(visit, discs_site):
    """Every other test fails on a violation; this one shows that they are noticed."""
    visitor = visit(discs_site).open()
    headers = visitor.complaints.requests[0].response().headers
    assert "default-src 'none'" in headers["content-security-policy"]
    visitor.expect("against the policy", "Content Security Policy", "failed: https://example.invalid")
    visitor.page.evaluate("() => fetch('https://example.invalid/').catch(() => {})")
    visitor.until(lambda: any("against the policy: connect-src" in text for text in visitor.complaints.texts))
