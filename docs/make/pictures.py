"""The pictures of docs/story.md, for a light page and for a dark one; drawn once and cached.

`python docs/make/pictures.py` writes them small and on paper into docs/pictures, where a checkout shows them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import faces
import garments
from look import DARK, LIGHT, Look, drawing, save
from matplotlib.figure import Figure
from PIL import Image
from trainings import AUTOENCODER, FACES, VARIATIONAL, Planned, digest

from armoire import Wardrobe

log = logging.getLogger("mkdocs.armoire")
HERE = Path(__file__).parent
KEPT = HERE.parents[1] / "build/docs"
PAPER = "#faf9f6"  # under the pictures of a checkout
SMALLER = ((720, 128), (560, 64), (560, 32))  # width in pixels and colours, the first that makes a file of
LARGEST = 80_000  # bytes at most, else the last

# picture: (the run it shows, how it is drawn)
PICTURES: dict[str, tuple[Planned, Callable[[Wardrobe, Look], Figure]]] = {
    "welcome": (VARIATIONAL, garments.welcome),
    "pile": (AUTOENCODER, garments.pile),
    "ae-again": (AUTOENCODER, garments.again),
    "ae-places": (AUTOENCODER, garments.where),
    "ae-new": (AUTOENCODER, garments.new),
    "ae-plane": (AUTOENCODER, garments.decoded_grid),
    "vae-areas": (VARIATIONAL, garments.areas),
    "vae-new": (VARIATIONAL, garments.new),
    "vae-square": (VARIATIONAL, garments.square),
    "vae-grid": (VARIATIONAL, garments.grid),
    "vae-empty": (VARIATIONAL, garments.empty),
    "vae-morph": (VARIATIONAL, garments.morph),
    "faces-again": (FACES, faces.again),
    "faces-dimensions": (FACES, faces.dimensions),
    "faces-new": (FACES, faces.new),
    "faces-edits": (FACES, faces.edits),
    "faces-morph": (FACES, faces.morph),
}


def make(folder: Path) -> list[Path]:
    """Draw what is not there yet, and return NAME.png and NAME.dark.png of every picture."""
    how = digest(*(file.read_bytes() for file in sorted(HERE.glob("*.py"))))
    opened: dict[str, Wardrobe] = {}
    paths = []
    for name, (planned, draw) in PICTURES.items():
        place = folder / digest(how, planned.key)
        place.mkdir(parents=True, exist_ok=True)
        for look in (LIGHT, DARK):
            path = place / (f"{name}.png" if look is LIGHT else f"{name}.dark.png")
            paths.append(path)
            if not path.is_file():
                _draw(opened.setdefault(planned.key, _opened(opened, planned, folder)), draw, look, path)
    return paths


def _opened(opened: dict[str, Wardrobe], planned: Planned, folder: Path) -> Wardrobe:
    if planned.key in opened:
        return opened[planned.key]
    log.info("armoire: the story's %s, trained unless cached", planned.recipe)
    return planned.open(folder)


def _draw(wardrobe: Wardrobe, draw: Callable[[Wardrobe, Look], Figure], look: Look, path: Path) -> None:
    part = path.with_suffix(".part")
    with drawing(look):
        save(draw(wardrobe, look), part)
    part.replace(path)


def shrink(path: Path, folder: Path) -> None:
    """Write a light picture on paper, small enough for the repository."""
    drawn = Image.open(path).convert("RGBA")
    sheet = Image.new("RGBA", drawn.size, PAPER)
    sheet.alpha_composite(drawn)
    for width, colours in SMALLER:
        size = width, round(width * sheet.height / sheet.width)
        small = sheet.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        small.quantize(colours, dither=Image.Dither.NONE).save(folder / path.name, optimize=True)
        if (folder / path.name).stat().st_size <= LARGEST:
            return


if __name__ == "__main__":
    for drawn in make(KEPT):
        if not drawn.name.endswith(".dark.png"):
            shrink(drawn, HERE.parent / "pictures")
