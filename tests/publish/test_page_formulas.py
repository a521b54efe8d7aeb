"""The explorer's TypeScript computes what Python computes: both are compared with web/src/lib/from_python.json.

Here Python is, in web/src/lib/*.test.ts the page. After a change of Python `python tests/publish/test_page_formulas.py`
writes the file again.
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

# Odd ones, one pixel, exact, a pixel too many, long ones, and one that `pad` scales to nothing.
SIZES = [(1, 1), (3, 5), (28, 28), (29, 28), (28, 31), (37, 53), (64, 48), (101, 67), (70, 255), (3, 90), (90, 4)]
SIZES += [(3, 400)]
# Mode of the picture; channels and background of the fit. A grey picture on a coloured background is missing: Python
# pads it with grey, and a page cannot distinguish it from a picture in colours that happen to be grey.
MODES = [
    ("L", 1, (0, 0, 0)),
    ("RGB", 3, (255, 255, 255)),
    ("RGBA", 3, (12, 200, 90)),
    ("LA", 1, (255, 255, 255)),
    ("RGB", 1, (12, 200, 90)),
    ("L", 3, (7, 7, 7)),
    ("RGBA", 1, (240, 30, 3)),
]


def noise(n: int, seed: int) -> np.ndarray:
    """uint32 (n,), pseudo-random: a counter under C. Wellons's lowbias32; web/src/lib/from_python.ts has it too."""
    x = np.arange(n, dtype=np.uint32) + np.uint32(seed * 0x9E3779B9 % 2**32)
    x = (x ^ (x >> 16)) * np.uint32(0x21F0AAAD)
    x = (x ^ (x >> 15)) * np.uint32(0x735A2D97)
    return x ^ (x >> 15)


def picture(width: int, height: int, mode: str, seed: int) -> Image.Image:
    """A picture of noise; with alpha, a third of the pixels are clear and a third opaque."""
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
    modes, sides = cycle(MODES), cycle([28, 28, 16, 30, 21])
    for seed, (width, height) in enumerate(SIZES):
        for how in ("crop", "pad", "stretch"):
            mode, channels, background = next(modes)
            fit = Fit(next(sides), how, background, channels)
            pixels = fit(picture(width, height, mode, seed))
            settings = asdict(fit) | {"background": list(background), "canvas": fit.canvas}
            del settings["white"]  # of files of more than 8 bits, which the page does not open
            case = {"width": width, "height": height, "mode": mode, "seed": seed, "fit": settings}
            yield case | {"bytes": base64.b64encode(pixels.tobytes()).decode()}


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
    near_0, near_1 = np.logspace(-300, -2, 31), 1 - np.logspace(-14, -2, 13)
    for p in [*np.linspace(0.0, 1, 41)[1:-1], 0.075, 0.925, *near_0, *near_1]:
        yield {"p": float(p), "x": float(norm.ppf(p))}


def searches() -> Iterator[dict[str, Any]]:
    for seed, (n, d, k) in enumerate([(1000, 2, 6), (500, 9, 12), (400, 32, 6), (4, 3, 6)]):
        z = latents(1, d, 100 + seed)
        found = nearest(latents(n, d, seed), z, k)
        asked = {"n": n, "d": d, "seed": seed, "z": listed(z), "k": k}
        yield asked | {"rows": listed(found.rows), "distances": listed(found.distances)}


def listed(numbers: np.ndarray) -> list[Any]:
    return numbers.ravel().tolist()


TOPICS = {"fit": fits, "paths": paths, "normal": normals, "inverse": inverses, "nearest": searches}


def same(a: Any, b: Any) -> bool:
    """Equal up to the rounding of float32."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-6)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def file_text() -> str:
    """The file's content, one case a line."""
    topics = []
    for name, cases in TOPICS.items():
        lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases())
        topics.append(f'"{name}": [\n{lines}\n]')
    return "{\n" + ",\n".join(topics) + "\n}\n"


@pytest.mark.parametrize("topic", TOPICS)
def test_the_numbers_that_the_page_is_tested_against_are_those_of_python(topic: str) -> None:
    if topic == "fit" and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow 13 resizes tall pictures in another order than earlier ones, and so does the page")
    assert same(json.loads(FILE.read_text())[topic], list(TOPICS[topic]())), (
        f"the {topic} cases of {FILE.name} are not what Python computes now; if the change is intended, write the file "
        "with `python tests/publish/test_page_formulas.py`, and fix the page until `npx vitest run` passes in web/"
    )


if __name__ == "__main__":
    FILE.write_text(file_text())
