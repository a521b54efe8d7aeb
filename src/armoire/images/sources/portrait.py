"""Paint a drawn face: polygons and lines on a canvas 64 units wide, drawn four times as large and averaged down."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Points = Float[np.ndarray, "k 2"]

UNITS = 64  # side of the canvas
SUPERSAMPLING = 4
CENTRE = (32.0, 33.5)  # of the head
EYES, MOUTH = -1.0, 11.0  # y from the centre of the head
CHORD = 7.0  # half the width of the mouth to which `Face.smile` refers
SKIN = ((255, 226, 202), (244, 200, 160), (216, 164, 118), (164, 110, 72), (104, 70, 50))
HAIR = {
    "black": (34, 29, 32),
    "brown": (104, 66, 40),
    "blond": (232, 194, 112),
    "red": (182, 88, 38),
    "gray": (178, 176, 178),
}
LIPS, INSIDE, TEETH, INK = (206, 62, 92), (104, 28, 42), (252, 248, 242), (44, 36, 40)


@dataclass(frozen=True)
class Face:
    """The generative factors of a drawn face; lengths in 64ths of the image, angles in radians, hues 0 to 1."""

    smile: float  # sagitta of the mouth over a chord of 14 units, divided by 7; negative where the corners hang down
    mouth_open: float  # distance of the lips
    mouth_width: float  # half the mouth's width
    glasses: bool
    round_glasses: bool
    hair: str  # one of HAIR
    hair_shade: float  # -1 (darker) to 1 (lighter)
    hair_length: float  # 0 (at the ears) to 1 (on the shoulders)
    bangs: bool
    beard: bool
    skin: float  # 0 (lightest) to 1 (darkest)
    yaw: float  # rotation to the side, positive to the right of the image
    tilt: float  # rotation in the plane, positive to the right of the image
    background: float  # hue (rose, yellow, green, blue; never purple, which only lips are)
    background_light: float  # 0 (deep) to 1 (pale)
    clothes: float  # hue
    iris: float  # hue
    eye_open: float  # half the height of the eyes
    brow: float  # height by which the brows are raised
    width: float  # half the width of the head
    height: float  # half the height of the head
    x: float  # offset of the head to the right of the centre
    y: float  # offset of the head below the centre

    @property
    def hair_colour(self) -> Colour:
        return shade(HAIR[self.hair], 1 + 0.16 * self.hair_shade)

    @property
    def skin_colour(self) -> Colour:
        place = min(self.skin, 0.999) * (len(SKIN) - 1)
        return mix(SKIN[int(place)], SKIN[int(place) + 1], place % 1)


def paint(face: Face, size: int = UNITS) -> Image.Image:
    """The image of a face, RGB, size x size pixels."""
    pen = _Pen(face, size)
    hair, skin = face.hair_colour, face.skin_colour
    _hair_behind(pen, face, shade(hair, 0.82))
    _body(pen, face, skin)
    for side in (-1, 1):
        pen.fill(_ellipse((side * face.width, 1.5), 2.6, 4.2), shade(skin, 0.9))
    pen.fill(_outline(face), skin)
    for side in (-1, 1):
        pen.fill(_ellipse((side * 9.3, 6.8), 2.7, 1.9), mix(skin, (250, 132, 92), 0.2), front=True)
    if face.beard:
        _beard(pen, face, hair)
    _eyes(pen, face, hair)
    pen.stroke([(0.6, 0.5), (1.9, 5.2), (0.2, 6.2), (-1.3, 5.6)], shade(skin, 0.76), 0.9)
    _mouth(pen, face)
    _hair_in_front(pen, face, hair)
    if face.glasses:
        _glasses(pen, face)
    return pen.image.reduce(SUPERSAMPLING)


class _Pen:
    """Draw in the head's coordinates: points are rotated by yaw and tilt and moved to the head's position."""

    def __init__(self, face: Face, size: int) -> None:
        side = SUPERSAMPLING * size
        top, bottom = (_hue(0.97 + 0.72 * face.background, s, v) for s, v in _backdrop(face.background_light))
        strip = Image.new("RGB", (1, 2), top)
        strip.putpixel((0, 1), bottom)
        self.image = strip.resize((side, side), Image.Resampling.BILINEAR)
        self._face, self._scale, self._draw = face, side / UNITS, ImageDraw.Draw(self.image)

    def fill(self, points: Iterable[tuple[float, float]] | Points, colour: Colour, front: bool = False) -> None:
        """Fill a polygon; with `front` it is on the front of the head and moves with its yaw."""
        self._draw.polygon(self._project(points, front), fill=colour)

    def stroke(self, points: Iterable[tuple[float, float]] | Points, colour: Colour, width: float) -> None:
        """Draw a line on the front of the head."""
        self._draw.line(self._project(points, True), fill=colour, width=round(width * self._scale))

    def body(self, points: Points, colour: Colour) -> None:
        """Fill a polygon that does not move with the head."""
        self._draw.polygon((points * self._scale).ravel().tolist(), fill=colour)

    def _project(self, points: Iterable[tuple[float, float]] | Points, front: bool) -> list[float]:
        face, (x, y) = self._face, np.asarray(points if isinstance(points, np.ndarray) else list(points), float).T
        if front:
            depth = 0.75 * np.sqrt(np.maximum(0, face.width**2 - x**2))
            x = x * np.cos(face.yaw) + depth * np.sin(face.yaw)
        pivot = 20.0  # the neck
        cos, sin = np.cos(face.tilt), np.sin(face.tilt)
        x, y = x * cos - (y - pivot) * sin, x * sin + (y - pivot) * cos + pivot
        projected = np.stack([x + CENTRE[0] + face.x, y + CENTRE[1] + face.y], axis=1)
        return (projected * self._scale).ravel().tolist()


def _outline(face: Face) -> Points:
    """The outline of the head: an ellipse that narrows towards the chin."""
    angle = np.linspace(0, 2 * np.pi, 60)
    below = np.maximum(0, np.sin(angle))
    x = face.width * np.cos(angle) * (1 - 0.16 * below**2)
    return np.stack([x, face.height * np.sin(angle)], axis=1)


def _hair_behind(pen: _Pen, face: Face, colour: Colour) -> None:
    end = -3 + 29 * face.hair_length
    wide = face.width + 2.4 + 1.8 * face.hair_length
    top = _arc((0, -3), wide, face.height, np.pi, 2 * np.pi)
    bottom = _arc((0, end), wide, 4.0, 0, np.pi)
    pen.fill(np.concatenate([top, bottom]), colour)


def _body(pen: _Pen, face: Face, skin: Colour) -> None:
    middle = 32 + 0.5 * face.x
    cloth = _hue(0.13 + 0.55 * face.clothes, 0.55, 0.78)  # neither red nor purple
    shoulders = _arc((middle, 70), 26, 15.0, np.pi, 2 * np.pi)
    neck = np.array([(-5.2, 44), (5.2, 44), (6.2, 61), (-6.2, 61)]) + np.array([middle, 0])
    pen.body(shoulders, cloth)
    pen.body(neck, shade(skin, 0.84))
    pen.body(_arc((middle, 58.5), 7.4, 4.6, 0, np.pi), shade(skin, 0.84))


def _beard(pen: _Pen, face: Face, hair: Colour) -> None:
    outer = _arc((0, 0), 1.0, 1.0, 0.06 * np.pi, 0.94 * np.pi)
    x = face.width * outer[:, 0] * (1 - 0.16 * outer[:, 1] ** 2)
    outer = np.stack([x, face.height * outer[:, 1] + 0.4], axis=1)
    inner = np.array([(-0.82, 5.5), (-0.62, 8.0), (-0.3, 7.2), (0, 7.8), (0.3, 7.2), (0.62, 8.0), (0.82, 5.5)])
    pen.fill(np.concatenate([outer, inner * (face.width, 1)]), shade(hair, 0.94), front=False)


def _eyes(pen: _Pen, face: Face, hair: Colour) -> None:
    iris = _hue(0.06 + 0.56 * face.iris, 0.5, 0.5)
    for side in (-1, 1):
        x = side * 6.4
        pen.fill(_ellipse((x, EYES), 3.5, face.eye_open), (253, 252, 250), front=True)
        pen.fill(_ellipse((x, EYES), 2.1, min(2.1, face.eye_open)), iris, front=True)
        pen.fill(_ellipse((x, EYES), 1.1, min(1.1, face.eye_open)), INK, front=True)
        pen.fill(_ellipse((x - 0.7, EYES - 0.8), 0.55, 0.55), (255, 255, 255), front=True)
        pen.stroke(_arc((x, EYES), 3.6, face.eye_open + 0.1, 1.06 * np.pi, 1.94 * np.pi), INK, 0.8)
        brow = _arc((x, EYES - 3.6 - face.brow), 3.8, 1.8, 1.1 * np.pi, 1.9 * np.pi)
        pen.stroke(brow, shade(hair, 0.72), 1.2)


def _mouth(pen: _Pen, face: Face) -> None:
    x = np.linspace(-face.mouth_width, face.mouth_width, 25)
    middle = MOUTH + face.smile * (CHORD / 3 - x**2 / CHORD)
    taper = np.sqrt(np.maximum(0, 1 - (x / face.mouth_width) ** 2))
    gap = face.mouth_open / 2 * taper
    upper, lower = middle - gap - (0.45 + 0.75 * taper), middle + gap + (0.45 + 0.95 * taper)
    pen.fill(_between(x, upper, lower), LIPS, front=True)
    if face.mouth_open > 0.8:
        pen.fill(_between(x, middle - gap, middle + gap), INSIDE, front=True)
        pen.fill(_between(x, middle - gap, middle - gap + 0.55 * 2 * gap), TEETH, front=True)
    else:
        pen.stroke(np.stack([x, middle], axis=1), shade(LIPS, 0.66), 0.6)


def _hair_in_front(pen: _Pen, face: Face, hair: Colour) -> None:
    wide = face.width + 2.0
    outer = _arc((0, -3.0), wide, face.height - 0.8, 1.02 * np.pi, 1.98 * np.pi)
    edge = np.linspace(1, -1, 21)
    if face.bangs:
        line = -6.6 + 1.6 * edge**2 + 0.5 * np.sin(14 * edge)
        line[[0, -1]] = -1.0
    else:  # parted at one side
        line = -13.4 + 11 * np.abs(edge - 0.25) ** 2.2 * 0.55
    pen.fill(np.concatenate([outer, np.stack([edge * (face.width - 0.3), np.minimum(line, 1.0)], axis=1)]), hair)
    shine = _arc((-1.5, -3.5), wide - 5.0, face.height - 4.6, 1.22 * np.pi, 1.46 * np.pi)
    pen.stroke(shine, mix(hair, (255, 255, 255), 0.22), 1.3)
    if face.hair_length > 0.3:
        _locks(pen, face, hair)


def _locks(pen: _Pen, face: Face, hair: Colour) -> None:
    end = -3 + 29 * face.hair_length
    for side in (-1, 1):
        down = np.linspace(-9, end, 14)
        wave = 0.5 * np.sin(down / 3.2)
        outer = side * (face.width + 2.2 + 1.8 * face.hair_length * (down + 9) / (end + 9))
        inner = side * (face.width - 1.8) + wave * side
        points = [np.stack([np.broadcast_to(outer, down.shape), down], axis=1)]
        pen.fill(np.concatenate([*points, np.stack([inner, down], axis=1)[::-1]]), hair)


def _glasses(pen: _Pen, face: Face) -> None:
    for side in (-1, 1):
        x = side * 6.5
        if face.round_glasses:
            frame = _ellipse((x, EYES + 0.2), 5.1, 4.9)
        else:
            frame = np.array([(-5.0, -3.9), (5.0, -3.9), (4.5, 4.1), (-4.5, 4.1), (-5.0, -3.9)])
            frame = frame + np.array([x, EYES + 0.3])
        pen.stroke(np.concatenate([frame, frame[:2]]), INK, 1.1)
        pen.stroke([(side * 11.2, EYES - 0.6), (side * face.width, EYES - 1.2)], INK, 1.1)
    pen.stroke([(-1.7, EYES - 0.4), (0, EYES - 0.9), (1.7, EYES - 0.4)], INK, 1.1)


def shade(colour: Colour, light: float) -> Colour:
    """A colour made lighter (`light` above 1) or darker."""
    return mix((0, 0, 0), colour, light) if light <= 1 else mix(colour, (255, 255, 255), light - 1)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _hue(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, saturation, value))
    return red, green, blue


def _backdrop(light: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Saturation and value at the top and at the bottom of the background."""
    return (0.5 - 0.3 * light, 0.62 + 0.33 * light), (0.4 - 0.3 * light, 0.74 + 0.26 * light)


def _arc(centre: tuple[float, float], width: float, height: float, start: float, stop: float) -> Points:
    angle = np.linspace(start, stop, 30)
    return np.stack([centre[0] + width * np.cos(angle), centre[1] + height * np.sin(angle)], axis=1)


def _ellipse(centre: tuple[float, float], width: float, height: float) -> Points:
    return _arc(centre, width, height, 0, 2 * np.pi)


def _between(x: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> Points:
    return np.concatenate([np.stack([x, upper], axis=1), np.stack([x, lower], axis=1)[::-1]])
