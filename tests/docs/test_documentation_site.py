"""The documentation site builds without a warning, is complete, and loads nothing from other hosts."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT, pages

import armoire

FASHION = Path("/usr/share/datasets/fashion-mnist")
pytestmark = pytest.mark.slow  # trains three small runs and builds the site: half a minute

FETCHED = re.compile(
    r"<(?:script|img|iframe|source|video|audio)[^>]*\ssrc=[\"']?(?:https?:)?//"
    r"|<link[^>]*\shref=[\"']?(?:https?:)?//(?![^>]*rel=[\"']?canonical)"
    r"|url\(\s*[\"']?(?:https?:)?//|@import\s+[\"'](?:https?:)?//"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as `make docs` builds it, with pictures of few images and steps."""
    pytest.importorskip("mkdocs")
    if not FASHION.is_dir():
        pytest.skip("its pictures are drawn from Fashion-MNIST: apt-get install dataset-fashion-mnist")
    folder = tmp_path_factory.mktemp("site")
    quick = {"ARMOIRE_DOCS": "quick", "ARMOIRE_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder / "site")],
        cwd=ROOT,
        env=os.environ | quick | {"PYTHONPATH": str(ROOT / "src"), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "site"


def test_every_page_is_in_the_navigation(site):
    start = (site / "index.html").read_text(encoding="utf-8")
    for page in pages():
        link = page.relative_to(ROOT / "docs").with_suffix("").as_posix().removesuffix("index")
        assert (site / link / "index.html").is_file()
        assert re.search(rf'href="(?:\./)?{re.escape(link or ".")}/?"', start), page
    assert not (site / "make").exists()


def test_nothing_is_loaded_from_other_hosts(site):
    for file in [*site.rglob("*.html"), *site.rglob("*.css")]:
        assert not (found := FETCHED.search(file.read_text(encoding="utf-8"))), (file, found)


def test_every_picture_of_the_story_has_a_light_and_a_dark_version(site):
    named = set(re.findall(r"\]\(pictures/([\w-]+)\.png", (ROOT / "docs/story.md").read_text(encoding="utf-8")))
    assert len(named) >= 15
    for name in named:
        for file in (f"{name}.png", f"{name}.dark.png"):
            assert (site / "pictures" / file).stat().st_size > 1000
    story = (site / "story/index.html").read_text(encoding="utf-8")
    assert story.count('<figure class="drawn">') == len(named)
    assert story.count("<figcaption>") == len(named)


def test_every_public_member_of_a_wardrobe_is_in_the_reference(site):
    page = (site / "reference/api/index.html").read_text(encoding="utf-8")
    public = [name for name in vars(armoire.Wardrobe) if not name.startswith("_")]
    for name in [f"armoire.{name}" for name in armoire.__all__] + [f"armoire.Wardrobe.{name}" for name in public]:
        assert f'id="{name}"' in page, name
    assert inspect.getdoc(armoire.Wardrobe.encode).splitlines()[0].split(":")[0] in page
