"""Drawn photographs of products, good ones and ones with a defect, as in MVTec AD (Bergmann et al. 2019).

A product is a list of parts. Position, size, proportions and shades vary; each kind has its own colours. `JUDGED`
are the kinds that are measured, `OTHERS` those by which settings are chosen.
"""

from __future__ import annotations

import colorsys
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

CANVAS = 256
DEFECTS = ("scratch", "stain", "missing part", "wrong colour")
Box = tuple[float, float, float, float]
Colour = tuple[int, int, int]


@dataclass
class Part:
    """A shape of a product; `spare` ones can be missing."""

    shape: str  # of ImageDraw: ellipse, rectangle, rounded, polygon or ring
    box: Box
    hue: float
    saturation: float
    value: float
    spare: bool = False

    def colour(self, turned: float = 0.0) -> Colour:
        red, green, blue = colorsys.hsv_to_rgb(
            (self.hue + turned) % 1, max(self.saturation, 0.55 * bool(turned)), self.value
        )
        return round(255 * red), round(255 * green), round(255 * blue)

    def draw(self, on: ImageDraw.ImageDraw, fill: Colour | int) -> None:
        left, top, right, bottom = self.box
        if self.shape == "rounded":
            on.rounded_rectangle(self.box, 0.2 * min(right - left, bottom - top), fill=fill)
        elif self.shape == "ring":
            on.ellipse(self.box, outline=fill, width=round(0.22 * (right - left)))
        elif self.shape == "polygon":  # narrower at the top
            inset = 0.25 * (right - left)
            on.polygon([(left, bottom), (left + inset, top), (right - inset, top), (right, bottom)], fill=fill)
        else:
            getattr(on, self.shape)(self.box, fill=fill)


def _bottle(r: random.Random, x: float, base: float) -> list[Part]:
    w, h = r.uniform(26, 42), r.uniform(135, 180)
    n, shoulder, hue, v = (
        w * r.uniform(0.3, 0.42),
        base - h * r.uniform(0.62, 0.72),
        r.uniform(0.36, 0.56),
        r.uniform(0.4, 0.75),
    )
    band = base - h * 0.5, base - h * r.uniform(0.15, 0.25)
    return [
        Part("rounded", (x - w, shoulder, x + w, base), hue, 0.7, v),
        Part("polygon", (x - w, shoulder - 0.1 * h, x + w, shoulder + 14), hue, 0.7, v),
        Part("rectangle", (x - n, base - h, x + n, shoulder), hue, 0.7, v),
        Part("rectangle", (x - w, band[0], x + w, band[1]), r.uniform(0.1, 0.16), 0.2, r.uniform(0.85, 1), spare=True),
        Part(
            "rectangle", (x - n - 4, base - h - 10, x + n + 4, base - h + 10), r.uniform(0, 0.05), 0.8, 0.7, spare=True
        ),
    ]


def _mug(r: random.Random, x: float, base: float) -> list[Part]:
    w, h, side, hue, v = (
        r.uniform(42, 58),
        r.uniform(80, 115),
        r.choice((-1, 1)),
        r.uniform(0.96, 1.08),
        r.uniform(0.65, 0.95),
    )
    top, handle, dot = base - h, x + side * w, r.uniform(16, 22)
    return [
        Part("ring", (handle - 28, top + 0.2 * h, handle + 28, top + 0.75 * h), hue, 0.75, v, spare=True),
        Part("rounded", (x - w, top, x + w, base), hue, 0.75, v),
        Part("ellipse", (x - w, top - 10, x + w, top + 10), hue, 0.6, 0.6 * v),
        Part(
            "ellipse",
            (x - dot, top + 0.55 * h - dot, x + dot, top + 0.55 * h + dot),
            0.14,
            0.15,
            r.uniform(0.85, 1),
            spare=True,
        ),
    ]


def _box(r: random.Random, x: float, base: float) -> list[Part]:
    w, h, hue, v = r.uniform(48, 74), r.uniform(80, 135), r.uniform(0.08, 0.13), r.uniform(0.6, 0.85)
    top, lid = base - h, r.uniform(0.14, 0.2) * h
    return [
        Part("rectangle", (x - w, top, x + w, base), hue, 0.55, v),
        Part("rectangle", (x - w - 5, top - 4, x + w + 5, top + lid), hue, 0.55, 0.8 * v, spare=True),
        Part(
            "rectangle",
            (x - 0.6 * w, top + 0.35 * h, x + 0.6 * w, top + 0.75 * h),
            r.uniform(0.55, 0.63),
            0.5,
            0.8,
            spare=True,
        ),
        Part("rectangle", (x - 0.45 * w, top + 0.44 * h, x + 0.3 * w, top + 0.5 * h), 0, 0, 0.2),
    ]


def _tin(r: random.Random, x: float, base: float) -> list[Part]:
    w, h, v = r.uniform(40, 60), r.uniform(85, 140), r.uniform(0.65, 0.85)
    top, hue = base - h, r.uniform(0.28, 0.4)
    return [
        Part("rectangle", (x - w, top, x + w, base), 0, 0.03, v),
        Part("rectangle", (x - w, top + 0.2 * h, x + w, base - 0.2 * h), hue, 0.6, 0.7, spare=True),
        Part("ellipse", (x - w, top - 12, x + w, top + 12), 0, 0.02, 0.8 * v),
        Part("ellipse", (x - 16, top - 6, x + 16, top + 4), 0, 0.02, 0.4, spare=True),
    ]


def _jar(r: random.Random, x: float, base: float) -> list[Part]:
    w, h, hue = r.uniform(38, 54), r.uniform(95, 130), r.uniform(0.0, 0.06)
    top = base - h
    return [
        Part("rounded", (x - w, top, x + w, base), hue, r.uniform(0.6, 0.8), r.uniform(0.55, 0.8)),
        Part("rectangle", (x - 0.9 * w, top - 18, x + 0.9 * w, top + 8), r.uniform(0.12, 0.16), 0.6, 0.85, spare=True),
        Part(
            "ellipse",
            (x - 0.6 * w, top + 0.35 * h, x + 0.6 * w, top + 0.8 * h),
            0.15,
            0.1,
            r.uniform(0.88, 1),
            spare=True,
        ),
    ]


def _lamp(r: random.Random, x: float, base: float) -> list[Part]:
    w, h, hue = r.uniform(40, 58), r.uniform(130, 170), r.uniform(0.56, 0.68)
    top = base - h
    return [
        Part("rectangle", (x - 5, top + 30, x + 5, base), 0.1, 0.3, 0.4),
        Part("ellipse", (x - 0.7 * w, base - 16, x + 0.7 * w, base), 0.1, 0.3, 0.4, spare=True),
        Part("polygon", (x - w, top, x + w, top + 0.45 * h), hue, r.uniform(0.35, 0.6), r.uniform(0.7, 0.95)),
        Part("ellipse", (x - 9, top - 16, x + 9, top + 2), 0.1, 0.5, 0.7, spare=True),
    ]


Kind = Callable[[random.Random, float, float], list[Part]]
JUDGED: tuple[Kind, ...] = (_bottle, _mug, _box)
OTHERS: tuple[Kind, ...] = (_tin, _jar, _lamp)


def draw(kinds: tuple[Kind, ...], n: int, seed: int, defect: str = "", size: int = 64) -> np.ndarray:
    """n products of these kinds in turn, each with the defect where one is named: uint8 (n, size, size, 3)."""
    return np.stack(
        [_draw(kinds[i % len(kinds)], random.Random(f"{seed} {defect} {i}"), defect, size) for i in range(n)]
    )


def _draw(kind: Kind, r: random.Random, defect: str, size: int) -> np.ndarray:
    x, base = CANVAS / 2 + r.uniform(-18, 18), r.uniform(208, 230)
    parts = kind(r, x, base)
    shown = [part for part in parts if part.spare]
    changed = r.choice(shown if defect == "missing part" else parts[:-1])
    back = Part("rectangle", (0, 0, CANVAS, CANVAS), r.random(), r.uniform(0, 0.06), r.uniform(0.88, 1))
    image = Image.new("RGB", (CANVAS, CANVAS), back.colour())
    ImageDraw.Draw(image).ellipse((x - 70, base - 10, x + 70, base + 14), fill=(170, 170, 170))
    image = image.filter(ImageFilter.GaussianBlur(5))
    mask = Image.new("L", image.size, 0)
    on, on_mask = ImageDraw.Draw(image), ImageDraw.Draw(mask)
    for part in parts:
        if part is changed and defect == "missing part":
            continue
        part.draw(on, part.colour(r.uniform(0.3, 0.7) if part is changed and defect == "wrong colour" else 0.0))
        part.draw(on_mask, 255)
    if defect in ("scratch", "stain"):
        (_scratch if defect == "scratch" else _stain)(r, image, mask)
    light = Image.linear_gradient("L").rotate(90).resize(image.size).point(lambda p: round(p * 0.25))
    image.paste(Image.new("RGB", image.size), mask=ImageChops.multiply(light, mask))
    pixels = np.asarray(image.resize((size, size), Image.Resampling.LANCZOS), np.float32)
    noise = np.random.default_rng(r.getrandbits(32)).normal(0, 2, pixels.shape)  # of a camera
    return np.clip(pixels + noise, 0, 255).round().astype(np.uint8)


def _within(r: random.Random, mask: Image.Image) -> tuple[float, float]:
    """A point on the product."""
    rows, columns = np.nonzero(np.asarray(mask))
    k = r.randrange(len(rows))
    return float(columns[k]), float(rows[k])


def _scratch(r: random.Random, image: Image.Image, mask: Image.Image) -> None:
    """A thin bent line, lighter or darker than the product."""
    (x, y), angle, step = _within(r, mask), r.uniform(0, 2 * np.pi), r.uniform(12, 22)
    points = [(x, y)]
    for _ in range(4):
        angle += r.uniform(-0.4, 0.4)
        x, y = x + step * np.cos(angle), y + step * np.sin(angle)
        points.append((x, y))
    layer = Image.new("L", image.size, 0)
    ImageDraw.Draw(layer).line(points, fill=r.randrange(190, 255), width=r.randrange(3, 6), joint="curve")
    grey = r.choice((r.randrange(20, 60), r.randrange(215, 250)))
    image.paste(Image.new("RGB", image.size, (grey,) * 3), mask=ImageChops.multiply(layer, mask))


def _stain(r: random.Random, image: Image.Image, mask: Image.Image) -> None:
    """An irregular blot of one colour, half transparent."""
    (x, y), radius = _within(r, mask), r.uniform(9, 18)
    layer = Image.new("L", image.size, 0)
    on = ImageDraw.Draw(layer)
    for _ in range(6):
        a, b, s = x + r.gauss(0, radius / 2), y + r.gauss(0, radius / 2), radius * r.uniform(0.4, 0.9)
        on.ellipse((a - s, b - s, a + s, b + s), fill=r.randrange(150, 220))
    layer = layer.filter(ImageFilter.GaussianBlur(2))
    colour = Part("", (0, 0, 0, 0), r.random(), r.uniform(0.2, 0.9), r.uniform(0.1, 0.45)).colour()
    image.paste(Image.new("RGB", image.size, colour), mask=ImageChops.multiply(layer, mask))
