"""Small runs, their sites on a server, and a browser in which every unexpected error fails the test."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from armoire.errors import ArmoireError
from armoire.publish.page import page_folder

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
FLAGS = (
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-quic", "--no-first-run", "--enable-unsafe-swiftshader"),
)


def missing() -> str:
    """Why the page cannot be opened here; "" if it can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "Playwright is not installed: pip install -e '.[test]'"
    if not CHROMIUM:
        return "there is no chromium: apt-get install chromium, or set CHROMIUM to one"
    try:
        page_folder()
    except ArmoireError as error:
        return str(error)
    return ""


WHY_NOT = missing()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if WHY_NOT and here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=WHY_NOT))


@dataclass(frozen=True, eq=False)
class Site:
    """A wardrobe, and the files of its site by URL path."""

    wardrobe: Any
    files: dict[str, Path]

    def decoded(self, z: Sequence[float] | np.ndarray) -> np.ndarray:
        """The image of one latent as Python decodes it: uint8 (h, w, c)."""
        return self.wardrobe.decode(np.atleast_2d(np.float32(z)))[0]

    @property
    def manifest(self) -> dict:
        return json.loads(self.files["/data/manifest.json"].read_text(encoding="utf-8"))

    def changed(self, folder: Path, **changes: object) -> dict[str, Path]:
        """The files with another manifest."""
        manifest = self.manifest | changes
        file = folder / "manifest.json"
        file.write_text(json.dumps(manifest))
        return self.files | {"/data/manifest.json": file}


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of a session share: the first that needs a run trains it for all."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "browser"
    folder.mkdir(exist_ok=True)
    return folder


@contextmanager
def lock(folder: Path, name: str) -> Iterator[None]:
    """Let one worker at a time execute a block."""
    import fcntl

    with (folder / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def site_of(shared: Path) -> Callable[..., Site]:
    """Train a recipe on images, or open the run of another worker, and write its site."""
    from armoire import Wardrobe, train
    from armoire.publish.site import site_files

    def make(name: str, recipe, images) -> Site:
        run = shared / name
        with lock(shared, name):
            if (run / "model.safetensors").exists():
                wardrobe = Wardrobe.open(run, images, device="cpu")
            else:
                wardrobe = train(recipe, images, run, device="cpu")
            return Site(wardrobe, site_files(wardrobe.run, images=wardrobe.images))

    return make


@pytest.fixture(scope="session")
def discs_site(site_of, tiny, discs) -> Site:
    """Grey discs of three classes on a plane, trained until decoded images differ visibly."""
    return site_of("discs", tiny(epochs=5, beta=0.1, lr=1e-2), discs(n=320, test=80))


@pytest.fixture(scope="session")
def plain_site(site_of, tiny, discs) -> Site:
    """The same with a plain autoencoder."""
    return site_of("plain", tiny("fashion-ae", epochs=4, lr=1e-2), discs(n=80, test=20))


@pytest.fixture(scope="session")
def faces_site(site_of, tiny, shared: Path) -> Site:
    """Faces in colour with attributes, of eight dimensions."""
    from armoire import load_images

    with pytest.MonkeyPatch.context() as patch, lock(shared, "cache"):
        patch.setenv("ARMOIRE_CACHE", str(shared / "cache"))
        images = load_images("drawn-faces:240", 32, "stretch")
    recipe = tiny("drawn-faces-vae", data="", size=32, latent=8, epochs=6, channels=[8, 16], batch=16)
    return site_of("faces", recipe, images)


@pytest.fixture(scope="session")
def folder_site(site_of, tiny, shared: Path, pictures) -> Site:
    """A folder of unlabelled pictures; samples are averages of neighbours."""
    from armoire import load_images

    folder = shared / "my photos"
    with lock(shared, "photos"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARMOIRE_CACHE", str(shared / "cache"))
        if not folder.exists():
            folder.mkdir()
            for i, picture in enumerate(pictures(40, 20, 3)):
                Image.fromarray(picture).save(folder / f"Bild ä {i}.png")
        images = load_images(folder, 16)
    return site_of("photos", tiny("images-vae", data="", size=16, latent=3, prior="neighbours"), images)


@pytest.fixture(scope="module")
def browser():
    """One per file: Playwright's event loop blocks this thread, and the tests of other files need their own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def visiting(browser) -> Iterator[Callable[..., Any]]:
    """Opens a site, files or an address; at the end, there must be no unexpected errors and warnings of the browser."""
    from visitor import Visitor

    from armoire.publish.serve import in_background

    visitors: list[Visitor] = []
    with ExitStack() as servers:

        def open_page(where: Site | dict[str, Path] | str, **settings) -> Visitor:
            files = where.files if isinstance(where, Site) else where
            home = files if isinstance(files, str) else servers.enter_context(in_background(files))
            settings = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"} | settings
            visitors.append(Visitor(browser.new_context(**settings).new_page(), home))
            return visitors[-1]

        yield open_page
        for visitor in visitors:
            visitor.page.context.close()
    complaints = [text for visitor in visitors for text in visitor.complaints.unexpected]
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def visit(browser):
    """Opens a site, files or an address for one test."""
    with visiting(browser) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def opened(browser):
    """The page of a site, which the tests of a file share that leave it as it was: to open one takes two seconds."""
    with visiting(browser) as open_page:
        yield cache(lambda site: open_page(site).open())


@pytest.fixture(scope="session")
def as_png() -> Callable[[np.ndarray], bytes]:
    """Encodes an image (h, w, c) as PNG."""

    def write(image: np.ndarray) -> bytes:
        buffer = BytesIO()
        Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(buffer, "PNG")
        return buffer.getvalue()

    return write
