"""The look that all figures share: colours, fonts, and pages laid out in inches."""

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
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy import ndarray

PAPER = "#faf8f5"  # oklch(98% 0.004 80)
INK = "#1b1713"  # oklch(20% 0.010 70)
QUIET = "#6f6a64"  # oklch(53% 0.010 70): secondary text
HAIRLINE = "#dbd8d3"  # ink at 12 % on paper
ACCENT = "#00646b"  # oklch(46% 0.080 205), deep teal: measured values
DRAWN = "#1c6fe0"  # oklch(56% 0.190 258): samples (S12 asks for blue)
WARNING = "#b8400e"  # oklch(53% 0.160 42): the worst value

# The k-th colour for class k; the explorer uses the same list. They maximise the smallest distance between two in OKLab
# (lightness 0.36 to 0.83, chroma 0.07 to 0.15, visible on paper and in the dark theme) for normal vision and for the
# protanopia, deuteranopia and tritanopia of Machado, Oliveira and Fernandes 2009: 0.11 for each, where the sequence of
# Petroff 2021 (arXiv:2107.02270) has 0.06; see tests/figures/test_style.py.
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
# From zero to the maximum: OKLab lightness falls evenly from 0.97 to 0.31 while the hue goes from 95 to 215 degrees, so
# that it can be read in grey and with every kind of colour vision; see tests/figures/test_style.py.
SEQUENCE = ("#fbf4d8", "#daddae", "#b2c88f", "#86b37c", "#5a9c73", "#34846b", "#1e6961", "#1d4e51", "#203439")
COLOURS = LinearSegmentedColormap.from_list("armoire", SEQUENCE)

DPI = 150
WIDE = (12.8, 7.2)  # inches, 16:9: 1920 x 1080 pixels
SQUARE = (9.0, 9.6)
SQUARE_AND_LEGEND = (11.2, 9.4)
MARGIN = 0.5  # inches
TITLE, BODY, SMALL = 19, 12, 10  # points on a 12.8 inch slide

# DejaVu Sans comes with matplotlib, so figures look the same on every machine; these add Hangul, Han and kana.
FALLBACKS = (
    *("Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Malgun Gothic", "Apple SD Gothic Neo"),
    "Noto Sans CJK JP",
)


def style() -> AbstractContextManager[None]:
    """A context with the settings of all figures, independent of the user's matplotlibrc."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    settings: dict[str, Any] = {
        "font.family": ["DejaVu Sans", *(name for name in FALLBACKS if name in installed)],
        "font.size": BODY,
        # Names of classes and runs are untrusted: a $ in them is no formula.
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
    """A matplotlib figure that a notebook displays without pyplot."""

    def _repr_png_(self) -> bytes:
        with style():
            return png(self)


@dataclass(frozen=True)
class Sheet:
    """A figure with its title block. All lengths in inches."""

    figure: Figure
    width: float
    top: float  # from the lower edge of the figure to the title block

    def panel(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes for data, with spines at the left and the bottom only."""
        axes = self._axes(left, bottom, width, height)
        axes.spines[["top", "right"]].set_visible(False)
        return axes

    def blank(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes without ticks or frame whose units are inches, for images and text."""
        axes = self._axes(left, bottom, width, height)
        axes.set_axis_off()
        axes.set_xlim(0, width)
        axes.set_ylim(0, height)
        return axes

    def panels(self, count: int, gap: float, left: float = MARGIN + 0.6) -> list[Axes]:
        """Axes for data next to each other, as high as the page, with a gap for the tick labels of the next."""
        width = (self.width - MARGIN - left + gap) / count
        return [self.panel(left + k * width, 0.9, width - gap, self.top - 1.65) for k in range(count)]

    def _axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        whole = self.figure.get_figheight()
        return self.figure.add_axes((left / self.width, bottom / whole, width / self.width, height / whole))


def sheet(title: str, subtitle: str, size: tuple[float, float] = WIDE) -> Sheet:
    """A page with a title and a subtitle, both wrapped to its width."""
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


def tall_enough(body: float, title: str, subtitle: str, width: float = WIDE[0]) -> Sheet:
    """A page with `body` inches below its title block, however many lines the title takes."""
    head = WIDE[1] - sheet(title, subtitle, (width, WIDE[1])).top
    return sheet(title, subtitle, (width, round(head + body, 2)))


def wrap(text: str, width: float, points: float, weight: str = "normal") -> str:
    """Break a text into lines of at most `width` inches."""
    letter = points / 72 * (0.60 if weight == "bold" else 0.56)  # DejaVu Sans, the mean over English text
    return "\n".join(textwrap.wrap(text, max(16, int(width / letter)), break_on_hyphens=False))


def plot_grid(axes: Axes) -> None:
    """Horizontal grid lines at about six ticks."""
    axes.grid(axis="y", color=HAIRLINE, linewidth=0.6)
    axes.yaxis.set_major_locator(MaxNLocator(6))


def picture(
    axes: Axes, image: UInt8[ndarray, "h w c"], extent: tuple[float, float, float, float], **style: Any
) -> AxesImage:
    """Show an image, 0 black and 255 white, at extent (left, right, bottom, top) in data units."""
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
    """Show images row by row on blank axes, with a caption below each.

    The first row's upper edge is at `top`, the first column's left edge at `left`; images are `side` wide, and `step`
    is from one column and one row to the next, all in inches.
    """
    for i, image in enumerate(images):
        x, y = left + (i % columns) * step[0], top - (i // columns) * step[1]
        picture(axes, image, (x, x + side, y - side, y))
        if captions:
            axes.text(x + side / 2, y - side - 0.06, captions[i], fontsize=9, color=QUIET, ha="center", va="top")


def name_rows(axes: Axes, names: Sequence[str], top: float, side: float, step: float) -> None:
    """Name rows of `tiles`, at the left of blank axes."""
    for k, name in enumerate(names):
        axes.text(0, top - k * step - side / 2, name, fontsize=11, color=QUIET, va="center")


def colour_key(page: Sheet, norm: Normalize, left: float, words: str) -> None:
    """The scale of `COLOURS` at the foot of a page, with what it measures."""
    axes = page.panel(left, 0.55, 2.6, 0.14)
    bar = page.figure.colorbar(ScalarMappable(norm, COLOURS), cax=axes, orientation="horizontal")
    bar.outline.set_visible(False)  # type: ignore[operator]
    axes.tick_params(length=2, labelsize=9)
    x, y = (left + 2.75) / page.width, 0.55 / page.figure.get_figheight()
    page.figure.text(x, y, words, fontsize=SMALL, color=QUIET)


def vector(z: Sequence[float] | ndarray) -> str:
    """A latent as text: (−1.23, 0.45)."""
    return f"({', '.join(number(float(value)) for value in z)})"


def dimension(k: int) -> str:
    """The name of a latent dimension: z₀, z₁ .."""
    return "z" + str(k).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def number(value: float, digits: int = 2) -> str:
    """A number with a minus sign (U+2212), and one digit fewer from 10 on."""
    return f"{value:.{digits - 1 if abs(value) >= 9.995 else digits}f}".replace("-", "−")


def png(figure: Figure) -> bytes:
    """The PNG file of a figure; the same figure gives the same bytes."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
