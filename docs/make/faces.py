"""The story's pictures of drawn faces: again, each dimension, new ones, edited, and from one to another."""

from __future__ import annotations

import numpy as np
from garments import held_out
from look import WIDTH, Look, blank, captions, page, panel, row
from matplotlib.figure import Figure

from armoire import Wardrobe

EDITED = ("Smiling", "Eyeglasses", "Long_Hair", "Blond_Hair")
STRENGTHS = (-3, -2, -1, 0, 1, 2, 3)


def again(wardrobe: Wardrobe, look: Look) -> Figure:
    """Ten faces above their reconstructions."""
    images, step = held_out(wardrobe)[:10], WIDTH / 10
    figure = page(2 * step)
    axes = blank(figure)
    for k, line in enumerate((images, wardrobe.decode(wardrobe.encode(images)))):
        row(axes, line, look, 0.03, k * step + 0.03, step - 0.06, step)
    return figure


def dimensions(wardrobe: Wardrobe, look: Look) -> Figure:
    """The first 24 dimensions against N(0, 1)."""
    z = wardrobe.latents.mean
    figure, x = page(2.7), np.linspace(-3.5, 3.5, 141)
    for k in range(min(24, z.shape[1])):
        axes = panel(figure, k % 8 * 0.9 + 0.05, 1.85 - k // 8 * 0.88, 0.8, 0.72)
        axes.hist(z[:, k], bins=36, range=(-3.5, 3.5), density=True, color=look.accent, alpha=0.55)
        axes.plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color=look.ink, linewidth=0.9)
        axes.set(xlim=(-3.5, 3.5), ylim=(0, 1.0), xticks=(), yticks=())
        axes.spines["left"].set_visible(False)
        axes.text(-3.3, 0.97, str(k + 1), fontsize=7, va="top")
    return figure


def new(wardrobe: Wardrobe, look: Look) -> Figure:
    """Thirty new faces, 10 x 3."""
    made, step = wardrobe.decode(wardrobe.sample(30, seed=1, prior="normal")), WIDTH / 10
    figure = page(3 * step)
    axes = blank(figure)
    for k in range(3):
        row(axes, made[10 * k : 10 * k + 10], look, 0.03, k * step + 0.03, step - 0.06, step)
    return figure


def edits(wardrobe: Wardrobe, look: Look) -> Figure:
    """Attributes taken away and added, one face a row."""
    images, known = held_out(wardrobe), wardrobe.directions()
    names = [name for name in EDITED if name in known] or list(known)[:4]
    step, left = 0.86, 1.12
    figure = page(len(names) * step + 0.3)
    axes = blank(figure)
    captions(axes, [f"{s:+d}".replace("-", "−") if s else "0" for s in STRENGTHS], left + step / 2 - 0.02, 0.08, step)
    for k, name in enumerate(names):
        top = 0.3 + k * step
        z = wardrobe.encode(images[2 + k : 3 + k])
        moved = np.concatenate([known[name].move(z, float(s)) for s in STRENGTHS])
        axes.text(0, top + step / 2, name.replace("_", " "), fontsize=9, color=look.ink, va="center")
        row(axes, wardrobe.decode(moved), look, left, top, step - 0.05, step)
    return figure


def morph(wardrobe: Wardrobe, look: Look) -> Figure:
    """From one face to another in nine steps, three times."""
    z, step = wardrobe.encode(held_out(wardrobe)[10:16]), WIDTH / 9
    figure = page(3 * step)
    axes = blank(figure)
    for k in range(3):
        way = wardrobe.decode(wardrobe.interpolate(z[2 * k], z[2 * k + 1], steps=9))
        row(axes, way, look, 0.03, k * step + 0.03, step - 0.06, step)
    return figure
