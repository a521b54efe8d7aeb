"""Figures and the report of a run."""

from __future__ import annotations

from pathlib import Path

from command_line import Armoire, contents, leftovers
from PIL import Image


def test_all_that_apply_and_the_report(armoire: Armoire, copied: Path) -> None:
    before = contents(copied)
    drawn = armoire("figures", "run")
    assert drawn.code == 0, drawn.err
    paths = [armoire.cwd / line for line in drawn.out.splitlines()]
    figures = {path.stem for path in paths if path.suffix == ".png"}
    assert len(figures) >= 8
    assert {"reconstructions", "latent", "latent-by-label", "samples", "losses"} <= figures
    assert paths[-1].name == "report.html"
    for path in paths[:-1]:
        assert path.parent == copied / "figures"
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert min(image.size) >= 300, path.name
    page = paths[-1].read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") >= 8
    assert "http://" not in page.replace("http://www.w3.org", ""), "the page asks the network for something"
    after = contents(copied)
    assert {name: after[name] for name in before} == before
    assert leftovers(copied) == []


def test_one_by_name(armoire: Armoire, copied: Path) -> None:
    drawn = armoire("figures", "run", "losses")
    assert (drawn.code, drawn.out) == (0, "run/figures/losses.png\n"), drawn.err
    assert [path.name for path in (copied / "figures").iterdir()] == ["losses.png"]
    assert not (copied / "report.html").exists()
