"""The explorer's frame and its widget in Chromium, under a notebook's strictest policy, connected to Python.

A stand-in of anywidget's model passes messages between the widget and a real `Cell`; test_jupyter.py has the real one.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from armoire.publish.cell import explore

pytest.importorskip("playwright")
from visitor import READ_CANVAS, pixels

HOME = "http://notebook.test/"
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")
# The strictest policy of VS Code for outputs of notebooks (its setting notebook.experimental.enableCsp).
STRICT = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' https: http: data:; font-src 'self' https:; connect-src https:; child-src https: data: blob:"
)
PAGE = """<!doctype html><html><head><meta charset="utf-8"></head>
<body style="margin: 0; background: BACKGROUND"><div id="cell"></div><div id="second"></div>
<script type="module">
import factory from '/widget.js'
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer)
const text = (view) => btoa(String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset, view.byteLength)))
const state = JSON.parse(await python('state', ''))
state.pinned = bytes(state.pinned)
const listeners = {}
const call = (event, ...given) => [...(listeners[event] ?? [])].forEach((listener) => listener(...given))
window.model = {
  get: (name) => state[name],
  set(name, value) {
    state[name] = value
    call(`change:${name}`)
  },
  save_changes: () => python('state', JSON.stringify({ ...state, pinned: text(state.pinned) })),
  async send(message) {
    for (const [content, buffers] of JSON.parse(await python('message', JSON.stringify(message))))
      call('msg:custom', content, buffers.map(bytes))
  },
  on: (event, listener) => (listeners[event] ??= new Set()).add(listener),
  off: (event, listener) => listeners[event]?.delete(listener),
}
window.listening = () => Object.values(listeners).reduce((n, all) => n + all.size, 0)
window.fromPython = (name, value) => model.set(name, name === 'pinned' ? bytes(value) : value)
// As anywidget does: each view gets its own model, and its listeners are removed with it.
const proxy = () => {
  const own = []
  const on = (event, listener) => { own.push([event, listener]); model.on(event, listener) }
  const forget = () => own.forEach(([event, listener]) => model.off(event, listener))
  return [{ ...model, send: (m) => model.send(m), save_changes: () => model.save_changes(), on }, forget]
}
const widget = factory()
widget.initialize({ model })
window.show = (id) => {
  const [mine, forget] = proxy()
  const end = widget.render({ model: mine, el: document.getElementById(id) })
  return () => { end(); forget() }
}
window.end = show('cell')
</script></body></html>"""


class Notebook:
    """A page with a cell in it, and the `Cell` in Python."""

    def __init__(self, page: Any, cell: Any, background: str = "white", silent: str = "-") -> None:
        self.page, self.cell = page, cell
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.silent = silent  # the beginning of paths that Python does not answer
        page.on("console", lambda m: self.messages.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.messages.append(str(error)))
        page.add_init_script(READ_CANVAS)
        page.expose_function("python", self.python)
        page.route("**/*", lambda route: self.serve(route, background))
        page.goto(HOME)

    def serve(self, route: Any, background: str) -> None:
        url = route.request.url
        if url == HOME:
            headers = {"content-type": "text/html", "content-security-policy": STRICT}
            route.fulfill(body=PAGE.replace("BACKGROUND", background), headers=headers)
        elif url == f"{HOME}widget.js":
            route.fulfill(body=self.cell._esm, headers={"content-type": "text/javascript"})
        else:
            self.requests.append(url)
            route.abort()

    def python(self, kind: str, content: str) -> str:
        if kind == "message":
            sent: list[tuple[dict, list[str]]] = []
            self.cell.send = lambda content, buffers=(): sent.append((content, [b64(one) for one in buffers]))
            if not json.loads(content)["path"].startswith(self.silent):
                self.cell._handle_custom_msg(json.loads(content), [])
            return json.dumps(sent)
        if content:
            state = json.loads(content)
            synced = {name: state[name] for name in ("_address", "_choices")}
            self.cell.set_state(synced | {"pinned": base64.b64decode(state["pinned"])})
        state = self.cell.get_state(["pinned", "_address", "_choices", "_title", "height"])
        return json.dumps(state | {"pinned": b64(state["pinned"])})

    def set(self, name: str, value: Any) -> None:
        """Set an attribute in Python, and pass it on as a notebook does."""
        setattr(self.cell, name, value)
        state = self.cell.get_state(name)[name]
        self.page.evaluate("(all) => fromPython(...all)", [name, b64(state) if name == "pinned" else state])

    def move(self) -> None:
        """Take the output out of the document and put it in again, as a notebook may: the frame starts anew."""
        self.page.evaluate("document.body.append(document.getElementById('cell'))")

    def restart(self) -> None:
        """The kernel no longer answers."""
        for name in ("send", "save_changes"):
            self.page.evaluate(f"model.{name} = () => {{ throw new Error('Cannot send') }}; 0")

    def fill_slots(self) -> None:
        """Pin two latents from Python and assign them to the slots of Morph."""
        self.set("pinned", [[-1, 0], [1, 0.5]])
        self.frame.get_by_role("button", name="A", exact=True).first.click()
        self.frame.get_by_role("button", name="B", exact=True).last.click()

    @property
    def frame(self) -> Any:
        return self.page.frame_locator("iframe").first

    def open(self) -> Notebook:
        self.frame.locator("[data-map]").wait_for(timeout=60_000)
        self.until(lambda: self.frame.locator("[data-live] .waiting").count() == 0)
        return self

    def until(self, found: Any) -> None:
        for _ in range(900):
            if found():
                return
            self.page.wait_for_timeout(100)
        raise AssertionError("it did not happen")

    def click(self, across: float, down: float) -> None:
        box = self.frame.locator("[data-map]").bounding_box()
        self.page.mouse.click(box["x"] + box["width"] * across, box["y"] + box["height"] * down)

    @property
    def pins(self) -> Any:
        return self.frame.locator("[data-item]")

    def pinned_image(self, k: int) -> np.ndarray:
        """The red of the k-th pinned image, (h, w)."""
        return pixels(self.pins.nth(k).locator("canvas"))[..., 0].astype(int)


def b64(raw: Any) -> str:
    return base64.b64encode(bytes(raw)).decode()


@pytest.fixture
def notebook(browser, discs_site):
    """Opens a notebook; an error, a warning or a request to another host fails the test."""
    opened: list[Notebook] = []

    def come(cell: Any = None, background: str = "white", silent: str = "-", **settings: Any) -> Notebook:
        context = browser.new_context(**{"viewport": {"width": 1000, "height": 800}, "locale": "en-GB"} | settings)
        cell = cell or explore(discs_site.wardrobe, height=600)
        opened.append(Notebook(context.new_page(), cell, background, silent))
        return opened[-1]

    yield come
    for one in opened:
        one.page.context.close()
    assert [text for one in opened for text in (*one.messages, *one.requests)] == []


def test_what_is_pinned_is_in_python_and_what_python_sets_is_pinned(notebook, discs_site):
    here = notebook().open()
    here.click(0.5, 0.5)
    here.click(0.3, 0.4)
    here.until(lambda: len(here.cell.pinned) == 2)
    assert here.cell.pinned.dtype == np.float32
    decoded = discs_site.wardrobe.decode(here.cell.pinned).astype(int)
    for k in range(2):
        here.until(lambda k=k: np.abs(here.pinned_image(k) - decoded[k, ..., 0]).max() <= 1)
    here.pins.first.focus()
    here.page.keyboard.press("Delete")
    here.until(lambda: len(here.cell.pinned) == 1)
    here.set("pinned", [[0, 0], [1, 1], [-1, 0.5]])
    here.until(lambda: here.pins.count() == 3)
    assert here.cell.pinned.tolist() == [[0, 0], [1, 1], [-1, 0.5]]
    here.set("pinned", [[1, 1]])
    here.until(lambda: here.pins.count() == 1)
    here.frame.get_by_role("button", name="Undo").click()
    here.until(lambda: len(here.cell.pinned) == 3)
    many = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)  # more than a page of its own holds
    here.set("pinned", many)
    here.until(lambda: here.pins.count() == 100)
    here.click(0.5, 0.5)
    here.until(lambda: len(here.cell.pinned) == 101)
    assert np.array_equal(here.cell.pinned[:100], many)


@pytest.mark.slow
def test_a_second_view_and_a_moved_one_show_the_same(notebook):
    here = notebook().open()
    here.click(0.4, 0.6)
    here.until(lambda: len(here.cell.pinned) == 1)
    here.frame.get_by_role("tab", name="Diagnostics").click()
    here.until(lambda: "diagnostics" in here.cell._address)
    here.page.evaluate("void show('second')")
    second = here.page.frame_locator("#second iframe")
    second.locator("[data-item]").wait_for()
    second.get_by_role("tab", name="Diagnostics", selected=True).wait_for()
    second.locator("[data-item]").press("Delete")
    here.until(lambda: here.pins.count() == 0)
    here.set("pinned", [[0.5, 0.5]])
    here.move()
    again = here.page.frame_locator("#cell iframe")
    again.locator("[data-item]").wait_for()
    again.get_by_role("tab", name="Diagnostics", selected=True).wait_for()
    assert here.cell.pinned.tolist() == [[0.5, 0.5]]


def test_a_restarted_kernel_is_reported_and_a_frame_that_starts_anew_has_its_slots_and_theme(notebook):
    here = notebook().open()
    here.frame.get_by_label("Theme").select_option("dark")
    here.until(lambda: here.cell._choices.get("theme") == "dark")
    here.fill_slots()
    here.until(lambda: "morph=0_1_" in here.cell._address)  # both slots
    here.restart()
    here.click(0.4, 0.4)  # the rest works
    here.until(lambda: here.pins.count() == 3)
    here.frame.get_by_role("tab", name="Your image").click()
    picture = {"name": "a.png", "mimeType": "image/png", "buffer": PNG}
    here.frame.locator("input[type=file]").set_input_files(picture)
    here.until(lambda: here.frame.get_by_text("Run this cell again").count() > 0)
    here.frame.get_by_role("tab", name="Morph").click()
    here.move()
    here.open()
    here.until(lambda: "dark" in (here.frame.locator("html").get_attribute("class") or ""))
    here.until(lambda: here.pins.count() == 3)
    pressed = here.frame.locator("[aria-pressed=true]")
    here.until(lambda: {"A", "B"} <= set(pressed.all_inner_texts()))
    here.frame.get_by_role("tab", name="Edit").click()
    assert here.frame.get_by_role("button", name="Undo").is_disabled()
    here.until(lambda: np.ptp(here.pinned_image(0)) > 0)  # the engine is there too


def test_a_removed_view_removes_its_listeners_and_the_frame_cannot_access_the_notebook(notebook):
    here = notebook(locale="ko-KR").open()
    here.frame.get_by_role("tab", name="샘플").wait_for()
    assert here.frame.locator("html").get_attribute("lang") == "ko"  # the browser's language
    before = here.page.evaluate("listening()")
    here.page.evaluate("window.endSecond = show('second'); 0")
    here.page.frame_locator("#second iframe").locator("[data-map]").wait_for()
    assert here.page.evaluate("listening()") > before
    here.page.evaluate("endSecond(); 0")
    assert here.page.evaluate("listening()") == before
    frame = here.page.locator("#cell iframe").element_handle().content_frame()
    here.messages.clear()
    for what in ("parent.document", "parent.location.href", "document.cookie", "localStorage"):
        access = f"() => {{ try {{ {what}; return 'reached' }} catch (error) {{ return error.name }} }}"
        assert frame.evaluate(access) == "SecurityError", what
    request = "() => fetch('http://notebook.test/widget.js').then(() => 'fetched', () => 'refused')"
    assert frame.evaluate(request) == "refused"
    here.messages.clear()


@pytest.mark.slow
def test_theme_and_height_follow_the_notebook(notebook):
    here = notebook(background="#111").open()
    root = here.frame.locator("html")
    here.until(lambda: "dark" in (root.get_attribute("class") or ""))
    here.page.evaluate("document.body.style.background = 'white'")
    here.until(lambda: "dark" not in (root.get_attribute("class") or ""))
    assert here.page.locator("iframe").bounding_box()["height"] == 600
    here.set("height", 400)
    here.until(lambda: here.page.locator("iframe").bounding_box()["height"] == 400)


@pytest.mark.slow
def test_pictures_are_saved_by_the_surrounding_page(notebook):
    here = notebook().open()
    here.fill_slots()
    with here.page.expect_download() as saved:
        here.frame.get_by_role("button", name="Save PNG").click()
    assert Path(saved.value.path()).read_bytes().startswith(b"\x89PNG")
    assert here.frame.get_by_role("button", name="Copy link").count() == 0  # there is no address to share


@pytest.mark.slow
def test_a_kernel_that_does_not_answer_is_reported(notebook):
    nothing, page_alone = notebook(silent=""), notebook(silent="data/")
    for text in (nothing.page.locator("#cell [role=status]"), page_alone.frame.locator("#app [role=status]")):
        assert "Waiting for the explorer from Python" in text.inner_text()
        nothing.until(lambda text=text: "run this cell again" in text.inner_text())


def test_a_missing_page_is_reported(notebook, discs_site, tmp_path):
    cell = explore(discs_site.wardrobe)
    cell._files["cell.html"] = tmp_path / "gone"
    here = notebook(cell)
    here.until(lambda: "Run this cell again" in here.page.locator("#cell").inner_text())
