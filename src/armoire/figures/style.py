"""How the figures look: paper, ink, one accent, ten colours for classes, and sheets measured in inches.

Everything that is shared by two figures and is not mathematics lives here.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import matplotlib.style
from jaxtyping import UInt8
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy import ndarray

PAPER = "#faf8f5"  # oklch(98% 0.004 80)
INK = "#1b1713"  # oklch(20% 0.010 70)
QUIET = "#6f6a64"  # oklch(53% 0.010 70): what is read second
HAIRLINE = "#dbd8d3"  # ink at 12 % on paper
ACCENT = "#00646b"  # oklch(46% 0.080 205), deep teal: what is measured
DRAWN = "#1c6fe0"  # oklch(56% 0.190 258): what was drawn at random (S12 asks for blue)
WARNING = "#b8400e"  # oklch(53% 0.160 42): what is worst

# Ten colours for classes, class k taking the k-th; the explorer uses the same list.
# Source: chosen for armoire by a search through sRGB in OKLab (lightness 0.36 to 0.83, chroma 0.07 to 0.15, so that all
# show on paper and on the dark theme) for the largest smallest distance between any two, for normal sight and for the
# protanopia, deuteranopia and tritanopia of Machado, Oliveira and Fernandes 2009. That distance is 0.11 for each; the
# sequence of Petroff 2021 (arXiv:2107.02270) has 0.06. tests/figures/test_style.py measures it again.
CLASS_COLOURS = (
    "#8ca529",
    "#de739c",
    "#293184",
    "#845ab5",
    "#42ded6",
    "#73a5ff",
    "#a54200",
    "#730042",
    "#007363",
    "#f7b584",
)
CLASS_MARKERS = ("o", "^")  # classes 10 to 19 take the same colours with another marker
UNLABELLED = "#b9b5af"
# From nothing to the most, on paper: OKLab lightness falls evenly from 0.97 to 0.31 while the hue goes from 95 to 215
# degrees, past the accent, so that it reads in grey and for every kind of sight; tests/figures/test_style.py measures.
SEQUENCE = ("#fbf4d8", "#daddae", "#b2c88f", "#86b37c", "#5a9c73", "#34846b", "#1e6961", "#1d4e51", "#203439")

DPI = 150
WIDE = (12.8, 7.2)  # inches, 16:9: 1920 x 1080 pixels
SQUARE = (9.0, 9.6)
SQUARE_AND_LEGEND = (11.2, 9.4)
MARGIN = 0.5  # inches
TITLE, BODY, SMALL = 19, 12, 10  # points on a 12.8 inch slide

# DejaVu Sans comes with matplotlib, so that a figure looks the same on every machine; it has no Hangul, Han or kana.
FALLBACKS = (
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "NanumGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "Noto Sans CJK JP",
)


def style() -> AbstractContextManager[None]:
    """The settings that figures are made under, whatever the user's matplotlibrc says."""
    there = {font.name for font in font_manager.fontManager.ttflist}
    settings: dict[str, Any] = {
        "font.family": ["DejaVu Sans", *(name for name in FALLBACKS if name in there)],
        "font.size": BODY,
        # Names of classes and runs are other people's: a $ in them is a dollar.
        "text.parse_math": False,
        "text.color": INK,
        "axes.facecolor": PAPER,
        "axes.edgecolor": HAIRLINE,
        "axes.labelcolor": QUIET,
        "axes.labelsize": BODY,
        "axes.linewidth": 0.8,
        "axes.axisbelow": True,
        "xtick.color": HAIRLINE,
        "ytick.color": HAIRLINE,
        "xtick.labelcolor": QUIET,
        "ytick.labelcolor": QUIET,
        "xtick.labelsize": 11,
        "ytick.labelsize": 11,
        "legend.frameon": False,
        "legend.fontsize": BODY,
        "lines.solid_capstyle": "round",
    }
    return matplotlib.style.context(["default", settings])  # type: ignore[return-value]


class ShownFigure(Figure):
    """A matplotlib figure that a notebook shows although pyplot knows nothing of it."""

    def _repr_png_(self) -> bytes:
        with style():
            return png(self)


@dataclass(frozen=True)
class Sheet:
    """A figure with its title written, and how high the room under it reaches. All lengths in inches.

    Attributes:
        figure: the matplotlib figure.
        width: its width.
        top: height of the lower edge of the title block above the figure's lower edge.
    """

    figure: Figure
    width: float
    top: float

    def panel(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes for data, with a hairline on the left and below."""
        axes = self._axes(left, bottom, width, height)
        axes.spines[["top", "right"]].set_visible(False)
        return axes

    def blank(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes without ticks or frame whose units are inches, to lay pictures and words out on."""
        axes = self._axes(left, bottom, width, height)
        axes.set_axis_off()
        axes.set_xlim(0, width)
        axes.set_ylim(0, height)
        return axes

    def note(self, text: str, left: float = MARGIN, bottom: float = 0.3, **style: Any) -> None:
        """Small words, by default along the lower edge."""
        height = self.figure.get_figheight()
        self.figure.text(left / self.width, bottom / height, text, **{"fontsize": SMALL, "color": QUIET, **style})

    def _axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        whole = self.figure.get_figheight()
        return self.figure.add_axes((left / self.width, bottom / whole, width / self.width, height / whole))


def sheet(title: str, subtitle: str, size: tuple[float, float] = WIDE) -> Sheet:
    """A sheet of paper with a sentence on it and a quieter one underneath, both wrapped to its width."""
    width, height = size
    figure = ShownFigure(figsize=size, dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    top = height - 0.4
    for text, points, colour, weight in ((title, TITLE, INK, "bold"), (subtitle, BODY, QUIET, "normal")):
        lines = wrap(text, width - 2 * MARGIN, points, weight)
        figure.text(
            MARGIN / width, top / height, lines, fontsize=points, color=colour, weight=weight, va="top", linespacing=1.3
        )
        top -= (lines.count("\n") + 1) * points * 1.45 / 72 + 0.06
    return Sheet(figure, width, top - 0.12)


def high_enough(body: float, title: str, subtitle: str, width: float = WIDE[0]) -> Sheet:
    """A sheet that has `body` inches under its title block, however many lines that takes."""
    head = WIDE[1] - sheet(title, subtitle, (width, WIDE[1])).top
    return sheet(title, subtitle, (width, round(head + body, 2)))


def wrap(text: str, width: float, points: float, weight: str = "normal") -> str:
    """Break a text into lines of at most `width` inches."""
    letter = points / 72 * (0.60 if weight == "bold" else 0.56)  # DejaVu Sans, the mean over English text
    return "\n".join(textwrap.wrap(text, max(16, int(width / letter)), break_on_hyphens=False))


def picture(
    axes: Axes, image: UInt8[ndarray, "h w c"], extent: tuple[float, float, float, float], **style: Any
) -> AxesImage:
    """Show an image as its values are (0 black, 255 white) at extent (left, right, bottom, top), in data units."""
    shown = image[..., 0] if image.shape[-1] == 1 else image
    return axes.imshow(shown, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto", **style)


def tiles(
    axes: Axes,
    images: UInt8[ndarray, "n h w c"],
    columns: int,
    top: float,
    left: float,
    side: float,
    step: tuple[float, float],
    captions: Sequence[str] = (),
) -> None:
    """Lay images out row by row on blank axes, a caption under each.

    Args:
        axes: from `Sheet.blank`.
        images: uint8 (n, h, w, c).
        columns: images in a row.
        top: upper edge of the first row, inches.
        left: left edge of the first column, inches.
        side: side of an image, inches.
        step: from one column and one row to the next, inches.
        captions: n texts, or none.
    """
    for i, image in enumerate(images):
        x, y = left + (i % columns) * step[0], top - (i // columns) * step[1]
        picture(axes, image, (x, x + side, y - side, y))
        if captions:
            axes.text(x + side / 2, y - side - 0.06, captions[i], fontsize=9, color=QUIET, ha="center", va="top")


def vector(z: Sequence[float] | ndarray) -> str:
    """A place in words, as short as keeps two digits behind the point where there is room: (−1.23, 0.45)."""
    return f"({', '.join(number(float(value)) for value in z)})"


def dimension(k: int) -> str:
    """The name of a latent dimension: z₀, z₁ .."""
    return "z" + str(k).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def number(value: float, digits: int = 2) -> str:
    """A number with a true minus sign; one digit fewer from ten on."""
    return f"{value:.{digits - 1 if abs(value) >= 9.995 else digits}f}".replace("-", "−")


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG; the same figure gives the same bytes."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
