"""`wardrobe.explore()` in a real JupyterLab: latents pinned in one cell are available in the next."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import nbformat
import numpy as np
import pytest

PATIENCE_SECONDS = 300
TOKEN = "for-this-test"
OPEN = """import armoire
wardrobe = armoire.Wardrobe.open({run!r}, device="cpu")
shown = wardrobe.explore(height=600)
shown"""
CELLS = (
    OPEN,
    "print('PINNED', shown.pinned.tolist(), shown.pinned.dtype)",
    "shown.pinned = [[0, 0], [1, 1], [-1, 0.5]]",
    "wardrobe",
    "armoire.Wardrobe.open('no run')",
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, discs_site) -> Iterator[str]:
    """The address of a notebook in a JupyterLab with default settings."""
    home = tmp_path_factory.mktemp("lab")
    cells = [nbformat.v4.new_code_cell(code.format(run=str(discs_site.wardrobe.run.path))) for code in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, home / "walk.ipynb")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folders = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    environment = os.environ | folders | {"HOME": str(home), "ARMOIRE_CACHE": str(home / "cache")}
    flags = (f"--port={port}", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={home}")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.port_retries=0", *flags]
    with (home / "lab.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            until(lambda: answers(f"{address}/api?token={TOKEN}") or server.poll() is not None)
            assert server.poll() is None, (home / "lab.log").read_text()
            yield f"{address}/lab/tree/walk.ipynb?reset&token={TOKEN}"
        finally:
            server.terminate()
            server.wait(timeout=60)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def until(found: Any, wait: Any = time.sleep) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not found():
        assert time.monotonic() < end, "it did not happen"
        wait(0.1)


class Lab:
    """The notebook in a browser."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.hosts: set[str] = set()
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.goto(address)
        self.cell(0).wait_for(timeout=1000 * PATIENCE_SECONDS)
        self.until(lambda: page.locator("text=Python 3 (ipykernel) | Idle").count() > 0)

    def until(self, found: Any) -> None:
        until(found, lambda seconds: self.page.wait_for_timeout(1000 * seconds))

    def cell(self, k: int) -> Any:
        return self.page.locator(".jp-CodeCell").nth(k)

    def run(self, k: int) -> Lab:
        self.cell(k).locator(".jp-InputArea-editor").click()
        self.page.keyboard.press("Control+Enter")
        prompt = self.cell(k).locator(".jp-InputPrompt")
        self.until(lambda: prompt.inner_text().strip() not in ("[*]:", "[ ]:"))
        return self

    def output(self, k: int) -> str:
        return self.cell(k).locator(".jp-OutputArea").inner_text()

    @property
    def frame(self) -> Any:
        return self.page.frame_locator("iframe[title='discs · armoire']")


@pytest.fixture
def notebook(browser, lab) -> Iterator[Lab]:
    # High enough for all cells: JupyterLab removes those out of view from its document.
    context = browser.new_context(viewport={"width": 1400, "height": 2400}, locale="en-GB")
    opened = Lab(context.new_page(), lab)
    yield opened
    context.close()
    assert opened.hosts <= {"", urlsplit(lab).netloc}  # blob: and data: have no host


def test_pins_go_to_python_and_back_and_the_theme_follows(notebook, discs_site):
    notebook.run(0)
    canvas = notebook.frame.locator("[data-map]")
    canvas.wait_for(timeout=1000 * PATIENCE_SECONDS)
    notebook.until(lambda: notebook.frame.locator("[data-live] .waiting").count() == 0)
    canvas.scroll_into_view_if_needed()
    canvas.click(position={"x": 200, "y": 150})
    canvas.click(position={"x": 120, "y": 100})
    pins = notebook.frame.locator("[data-item]")
    notebook.until(lambda: pins.count() == 2)
    notebook.until(lambda: notebook.run(1).output(1).count("[") == 3)  # once the kernel has the page's message
    pinned, dtype = notebook.output(1).removeprefix("PINNED ").rsplit(" ", 1)
    assert dtype.strip() == "float32"
    z = np.array(json.loads(pinned))
    assert z.shape == (2, 2)
    assert len(np.unique(z, axis=0)) == 2
    discs_site.wardrobe.decode(z)

    notebook.run(2)
    notebook.until(lambda: pins.count() == 3)
    assert "PINNED [[0.0, 0.0], [1.0, 1.0], [-1.0, 0.5]] float32" in notebook.run(1).output(1)

    root = notebook.frame.locator("html")
    assert "dark" not in (root.get_attribute("class") or "")
    notebook.page.get_by_role("menuitem", name="Settings").click()
    notebook.page.get_by_text("Theme", exact=True).hover()
    notebook.page.get_by_text("JupyterLab Dark", exact=True).click()
    notebook.until(lambda: "dark" in (root.get_attribute("class") or ""))


def test_objects_have_html_representations_and_errors_are_one_sentence(notebook):
    notebook.run(0).run(3)
    assert "images decoded from samples of its prior" in notebook.output(3)
    assert notebook.cell(3).locator("img").evaluate("(image) => image.naturalWidth") > 100
    notebook.run(4)
    assert (
        notebook.output(4).strip()
        == "ArmoireError: no run at no run; train one with `armoire train RECIPE --out no run`"
    )
