"""The explorer's TypeScript computes what Python computes: both are held to web/src/lib/from_python.json.

Here Python is compared with that file, in web/src/lib/*.test.ts the page is. Where Python is what changed,
`python tests/publish/test_page_formulas.py` writes the file anew.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image
from scipy.stats import norm

from armoire.images import Fit
from armoire.wardrobe.interpolation import interpolate
from armoire.wardrobe.neighbours import nearest

FILE = Path(__file__).parents[2] / "web/src/lib/from_python.json"
LARGEST = 300_000  # bytes

# Odd ones, one pixel, exact, a pixel too many, long ones, and one of which `pad` leaves nothing.
SIZES = [
    (1, 1),
    (3, 5),
    (28, 28),
    (29, 28),
    (28, 31),
    (37, 53),
    (64, 48),
    (101, 67),
    (70, 255),
    (3, 90),
    (90, 4),
    (3, 400),
]
# What is seen, in pictures without and with alpha. A grey picture on a coloured background is not here: a page cannot
# tell grey from a colour that happens to be grey, and Python pads the one with grey, the other with colour.
SEEN = [
    ("L", 1, (0, 0, 0)),
    ("RGB", 3, (255, 255, 255)),
    ("RGBA", 3, (12, 200, 90)),
    ("LA", 1, (255, 255, 255)),
    ("RGB", 1, (12, 200, 90)),
    ("L", 3, (7, 7, 7)),
    ("RGBA", 1, (240, 30, 3)),
]


def noise(n: int, seed: int) -> np.ndarray:
    """uint32 (n,) that look random: a counter under C. Wellons's lowbias32; web/src/lib/from_python.ts has it too."""
    x = np.arange(n, dtype=np.uint32) + np.uint32(seed * 0x9E3779B9 % 2**32)
    x = (x ^ (x >> 16)) * np.uint32(0x21F0AAAD)
    x = (x ^ (x >> 15)) * np.uint32(0x735A2D97)
    return x ^ (x >> 15)


def picture(width: int, height: int, mode: str, seed: int) -> Image.Image:
    """A picture of noise; of the pixels with alpha a third are clear, a third opaque."""
    bits = noise(width * height * len(mode), seed).reshape(height, width, len(mode))
    pixels = (bits >> 24).astype(np.uint8)
    if mode.endswith("A"):
        alpha = bits[..., -1]
        pixels[..., -1] = np.choose(alpha % 3, [0, 255, alpha >> 24])
    return Image.fromarray(pixels.squeeze(-1) if mode == "L" else pixels)


def latents(n: int, d: int, seed: int) -> np.ndarray:
    """float32 (n, d) in -4..4."""
    return ((noise(n * d, seed) >> 8) / 2**21 - 4).astype(np.float32).reshape(n, d)


def fits() -> Iterator[dict[str, Any]]:
    seen, sides = cycle(SEEN), cycle([28, 28, 16, 30, 21])
    for seed, (width, height) in enumerate(SIZES):
        for how in ("crop", "pad", "stretch"):
            mode, channels, background = next(seen)
            fit = Fit(next(sides), how, background, channels)
            pixels = fit(picture(width, height, mode, seed))
            yield {
                "width": width,
                "height": height,
                "mode": mode,
                "seed": seed,
                "fit": asdict(fit) | {"background": list(background), "canvas": fit.canvas},
                "bytes": base64.b64encode(pixels.tobytes()).decode(),
            }


def paths() -> Iterator[dict[str, Any]]:
    a, b = latents(2, 9, 1)
    nothing = np.zeros_like(a)
    for start, end in ((a, b), (a, a * 2), (a, -a), (nothing, b), (a[:2], b[:2])):
        for kind, steps in (("linear", 9), ("spherical", 9), ("spherical", 2)):
            between = interpolate(start, end, steps, kind)
            yield {"a": listed(start), "b": listed(end), "steps": steps, "kind": kind, "path": listed(between)}


def normals() -> Iterator[dict[str, Any]]:
    for x in [*np.linspace(-8, 8, 81), 0.67448975, 0.6744898, -0.6744898, 5.656, 5.657, -12, -20, -30, -37.5]:
        yield {"x": float(x), "density": float(norm.pdf(x)), "Phi": float(norm.cdf(x))}


def inverses() -> Iterator[dict[str, Any]]:
    for p in [
        *np.linspace(0.0, 1, 41)[1:-1],
        0.075,
        0.925,
        *np.logspace(-300, -2, 31),
        *(1 - np.logspace(-14, -2, 13)),
    ]:
        yield {"p": float(p), "x": float(norm.ppf(p))}


def searches() -> Iterator[dict[str, Any]]:
    for seed, (n, d, k) in enumerate([(1000, 2, 6), (500, 9, 12), (400, 32, 6), (4, 3, 6)]):
        z = latents(1, d, 100 + seed)
        found = nearest(latents(n, d, seed), z, k)
        yield {
            "n": n,
            "d": d,
            "seed": seed,
            "z": listed(z),
            "k": k,
            "rows": listed(found.rows),
            "distances": listed(found.distances),
        }


def listed(numbers: np.ndarray) -> list[Any]:
    return numbers.ravel().tolist()


TOPICS = {"fit": fits, "paths": paths, "normal": normals, "inverse": inverses, "nearest": searches}


def same(a: Any, b: Any) -> bool:
    """Equal, but for the last digits of a float32: those are the machine's."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-6)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def written() -> str:
    """The file's text, a case a line."""
    topics = []
    for name, cases in TOPICS.items():
        lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases())
        topics.append(f'"{name}": [\n{lines}\n]')
    return "{\n" + ",\n".join(topics) + "\n}\n"


@pytest.mark.parametrize("topic", TOPICS)
def test_the_page_is_tested_against_what_python_computes(topic: str) -> None:
    if topic == "fit" and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow 13 resizes tall pictures in another order than those before it, and so does the page")
    kept = json.loads(FILE.read_text())[topic]
    assert same(kept, list(TOPICS[topic]())), (
        f"the {topic} cases of {FILE.name} are not what Python computes now; if the change is meant, write it anew "
        "with `python tests/publish/test_page_formulas.py`, then mend the page until `npx vitest run` passes in web/"
    )


def test_the_file_stays_small() -> None:
    assert FILE.stat().st_size < LARGEST


if __name__ == "__main__":
    FILE.write_text(written())
