"""The page as a user operates it: opens, moves, clicks, types, and reads what is shown."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image
from playwright.sync_api import ConsoleMessage, Locator, Page, Request

T = TypeVar("T")

PATIENCE_SECONDS = 90  # generous: no test measures time
A_STEP = 8  # pixels of the map that an arrow key moves the probe
FINEST = 36  # CSS pixels of a decoded grid's finest tile, at least

# The pixels of a canvas, from a copy: browsers move a canvas that is read often to another kind of memory.
READ_CANVAS = """
window.read = (canvas) => {
  const { width, height } = canvas
  const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })
  copy.drawImage(canvas, 0, 0)
  return { width, height, data: copy.getImageData(0, 0, width, height).data }
}
"""
# Runs before the page: reads each decoded image when it is drawn, with its latent.
WATCH = """
window.drawn = { count: 0, last: null }
document.addEventListener('picture', (event) => {
  const z = [...event.detail.z]
  drawn.count++
  drawn.last = { z, ...read(event.target.querySelector('canvas')) }
}, true)
window.written = []
const write = CanvasRenderingContext2D.prototype.fillText
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
  written.push(text)
  return write.call(this, text, ...rest)
}
document.addEventListener('securitypolicyviolation', (event) => {
  console.error(`against the policy: ${event.violatedDirective} ${event.blockedURI}`)
})
"""
# The page follows the window's size within a frame, and the address 300 ms later; timers fire in this order anywhere.
REST = """new Promise((resolve) =>
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve, 310))))"""
# RGBA of a canvas, in base64: a list of numbers would take long to hand over.
READ = """(canvas) => {
  const { width, height, data } = read(canvas)
  let text = ''
  for (let i = 0; i < data.length; i += 32768) text += String.fromCharCode(...data.subarray(i, i + 32768))
  return { width, height, data: btoa(text) }
}"""


class Complaints:
    """A page's errors, warnings and requests; `expected` are patterns of errors that do not fail the test."""

    def __init__(self, page: Page, home: str) -> None:
        self.texts: list[str] = []
        self.requests: list[Request] = []
        self.expected: list[str] = []
        self.home = urlsplit(home).netloc
        page.on("console", self.console)
        page.on("pageerror", lambda error: self.texts.append(f"uncaught: {error}"))
        page.on("requestfailed", self.failed)
        page.on("request", self.request)

    def console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self.texts.append(f"console: {message.text} {message.location.get('url', '')}")

    def failed(self, request: Request) -> None:
        # The browser requests the icon whenever the address changes, and cancels that request when a page is left.
        if not request.url.endswith("/icon.svg"):
            self.texts.append(f"failed: {request.url} {request.failure}")

    def request(self, request: Request) -> None:
        self.requests.append(request)
        url = urlsplit(request.url)
        if url.scheme != "blob" and url.netloc != self.home:
            self.texts.append(f"another host: {request.url}")

    @property
    def unexpected(self) -> list[str]:
        return [text for text in self.texts if not any(re.search(pattern, text) for pattern in self.expected)]


class Visitor:
    """An open page, what a user does and what is shown."""

    def __init__(self, page: Page, home: str) -> None:
        self.page = page
        self.home = home
        self.complaints = Complaints(page, home)
        page.add_init_script(READ_CANVAS + WATCH)

    def open(self, hash: str = "", query: str = "") -> Visitor:
        """Open the page and wait until all is loaded."""
        self.go(hash, query)
        self.until(lambda: self.pictures() > 0 and self.distances() and self.map.get_attribute("data-view"))
        thumbnail = self.page.locator(".nearest canvas").first
        self.until(lambda: self.address() and (thumbnail.count() == 0 or pixels(thumbnail)[..., 3].any()))
        return self

    def go(self, hash: str = "", query: str = "") -> Visitor:
        """Open the page without waiting."""
        self.page.goto(f"{self.home}{query}{'#' + hash if hash else ''}")
        return self

    def until(self, found: Callable[[], T]) -> T:
        """Repeat until the answer is true, and return it."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            if answer := found():
                return answer
            assert time.monotonic() < end, "it did not happen"
            self.page.wait_for_timeout(50)

    def seen(self, selector: str) -> Locator:
        """The only match, once it is visible."""
        found = self.page.locator(selector)
        found.wait_for()
        return found

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def expect(self, *patterns: str) -> None:
        """Allow errors and warnings of some patterns."""
        self.complaints.expected += patterns

    def requests(self) -> list[Request]:
        """The page's requests, without the browser's own for the icon."""
        return [one for one in self.complaints.requests if not one.url.endswith("/icon.svg")]

    def pictures(self) -> int:
        """How many images were decoded and drawn so far."""
        return self.page.evaluate("drawn.count")

    def picture(self) -> tuple[np.ndarray, np.ndarray]:
        """The last one: its latent float32 (d,), and its pixels uint8 (h, w, 4)."""
        last = self.page.evaluate("({ ...drawn.last, data: [...drawn.last.data] })")
        return np.float32(last["z"]), np.uint8(last["data"]).reshape(last["height"], last["width"], 4)

    def picture_at(self, z: Sequence[float] | np.ndarray, tolerance: float = 1e-4) -> np.ndarray:
        """Wait for the image decoded at a latent; its pixels."""
        z = np.ravel(z)

        def there() -> bool:
            last = self.page.evaluate("drawn.last && drawn.last.z")
            return last is not None and np.allclose(last, z, rtol=0, atol=tolerance)

        try:
            self.until(there)
        except AssertionError:
            raise AssertionError(f"the picture is of {self.picture()[0]}, not of {z}") from None
        return self.picture()[1]

    @property
    def map(self) -> Locator:
        return self.page.locator("[data-map]")

    def box(self) -> tuple[float, float, float, float]:
        """Left, top, width, height of the map on the screen."""
        return tuple(
            self.map.evaluate("""(map) => {
              const { left, top } = map.getBoundingClientRect()
              return [left, top, map.clientWidth, map.clientHeight]
            }""")
        )

    def on_screen(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the map's plane is on the screen."""
        left, top, width, height = self.box()
        vx, vy, scale = self.view()
        return left + width / 2 + (x - vx) * scale, top + height / 2 - (y - vy) * scale

    def at_pixel(self, left: float, top: float) -> tuple[float, float]:
        """The point of the plane at a position on the screen."""
        x, y, width, height = self.box()
        vx, vy, scale = self.view()
        return vx + (left - x - width / 2) / scale, vy - (top - y - height / 2) / scale

    def middle(self, right: float = 0, down: float = 0) -> tuple[int, int]:
        """A whole pixel at an offset from the middle of the map."""
        left, top, width, height = self.box()
        return round(left + width / 2 + right), round(top + height / 2 + down)

    def hover(self, right: float = 0, down: float = 0) -> tuple[float, float]:
        """Move the mouse to an offset from the middle of the map; the point of the plane there."""
        place = self.middle(right, down)
        self.page.mouse.move(*place)
        return self.at_pixel(*place)

    def pin(self, right: float, down: float) -> np.ndarray:
        """Click the map and wait for the new pin; its latent."""
        before = len(self.pins())
        self.page.mouse.click(*self.middle(right, down))
        self.until(lambda: len(self.pins()) == before + 1)
        self.until(lambda: np.allclose(self.picture()[0], self.pins()[-1], atol=1e-6))
        return self.pins()[-1]

    def layer(self, number: int) -> np.ndarray:
        """A canvas of the map, from below: grid, points, thumbnails, bars, marks. uint8 (h, w, 4)."""
        return pixels(self.map.locator("canvas").nth(number))

    def screenshot(self, clip: tuple[float, float, float, float] | None = None) -> np.ndarray:
        """The map, or left, top, width and height of the page, as shown: uint8 (h, w, 3)."""
        area = dict(zip(("x", "y", "width", "height"), clip or self.box(), strict=True))
        return np.asarray(Image.open(BytesIO(self.page.screenshot(clip=area))).convert("RGB"))

    def pixel(self, left: float, top: float) -> tuple[int, ...]:
        """The colour of a pixel of the page, as shown."""
        return tuple(self.screenshot((int(left), int(top), 1, 1))[0, 0].tolist())

    def grid_tile(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """A tile of the finest level that is wholly in view: the point of its middle, and pixels (side, side, 4)."""
        view = self.view()
        cell = 2.0 ** -np.floor(np.log2(view[2] / FINEST))
        lower = np.floor(view[:2] / cell) * cell
        x, y, *_ = self.box()
        (left, bottom), (right, top) = self.on_screen(*lower), self.on_screen(*(lower + cell))
        steps = (np.arange(side) + 0.5) / side
        columns = np.floor(left - x + steps * (right - left)).astype(int)
        rows = np.floor(top - y + steps * (bottom - top)).astype(int)
        return lower + cell / 2, self.layer(0)[rows][:, columns]

    def words_on_map(self) -> list[str]:
        """The texts drawn on the map since the last call."""
        return self.page.evaluate("written.splice(0)")

    def address(self) -> dict[str, str]:
        """The parts of the address after its #, which follow the page with a delay."""
        return {key: values[0] for key, values in parse_qs(self.hash()).items()}

    def hash(self) -> str:
        return self.page.evaluate("location.hash.slice(1)")

    def view(self) -> np.ndarray:
        """The middle of the map in its plane, and pixels per unit, once the map is at rest."""
        self.page.evaluate(REST)
        return np.array([float(value) for value in self.map.get_attribute("data-view").split()])

    def pins(self) -> list[np.ndarray]:
        """The pinned latents, from the address."""
        n = self.page.locator("[data-item]").count()

        def read() -> list[np.ndarray]:
            return [vector(text) for text in self.address().get("pins", "").split("~") if text]

        self.until(lambda: len(read()) == n)
        return read()

    def distances(self) -> list[float]:
        """Distances of the nearest images, as shown."""
        return [float(text) for text in self.page.locator(".nearest button .distance").all_inner_texts()]

    def notice(self, words: str) -> Locator:
        found = self.page.locator(".notices").get_by_text(words)
        found.wait_for()
        return found

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name, exact=True).click()

    def focused(self) -> dict[str, Any]:
        """The focused element: its name, whether it is the map or the body, and whether its focus is visible."""
        return self.page.evaluate("""() => {
          const one = document.activeElement
          const { outlineStyle, outlineWidth } = getComputedStyle(one)
          const outlined = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2
          const name = one.getAttribute('aria-label') || one.textContent.trim() || one.tagName
          return { name, map: one.matches('[data-map]'), body: one === document.body, outlined }
        }""")

    def sideways(self) -> int:
        """By how many pixels the page is wider than its window."""
        return self.page.evaluate("document.scrollingElement.scrollWidth - innerWidth")


def pixels(canvas: Locator) -> np.ndarray:
    """The pixels of a canvas: uint8 (h, w, 4)."""
    return as_array(canvas.evaluate(READ))


def pixels_of_all(canvases: Locator) -> list[np.ndarray]:
    """The pixels of each of several canvases."""
    return [as_array(read) for read in canvases.evaluate_all(f"(all) => all.map({READ})")]


def as_array(read: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(read["data"]), np.uint8).reshape(read["height"], read["width"], 4)


def vector(text: str) -> np.ndarray:
    """A latent in a link."""
    return np.frombuffer(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "<f4").copy()


def alike(shown: np.ndarray, made: np.ndarray) -> bool:
    """Whether pixels (h, w, 4) are those of an image (h, w, c) of Python, to 2 of 255."""
    assert shown.shape[:2] == made.shape[:2]
    return bool((np.abs(shown[..., :3].astype(int) - made) <= 2).all() and (shown[..., 3] == 255).all())
