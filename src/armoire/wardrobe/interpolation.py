"""Interpolation between two latents."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from armoire.checks import as_latent, check_count
from armoire.errors import ArmoireError

Interpolation = Literal["linear", "spherical"]


def interpolate(a: Any, b: Any, steps: int, kind: Interpolation = "linear") -> Float[np.ndarray, "steps d"]:
    """Latents from a to b, both ends included, (steps, d).

    Args:
        a: first latent (d,).
        b: last latent (d,).
        steps: number of latents, at least 2.
        kind: `linear` is z_A (1 - t) + z_B t (S22). `spherical` turns the direction at constant speed (Shoemake 1985)
            and interpolates the length linearly, so that no step is nearer to the origin than both ends: in many
            dimensions a straight line leaves the shell that contains most of N(0, I).
    """
    if check_count("steps", steps, 0) < 2:
        raise ArmoireError(f"a path needs at least 2 steps, its ends, not {steps}")
    if kind not in ("linear", "spherical"):
        raise ArmoireError(f"a path is linear or spherical, not '{kind}'")
    a = as_latent(a, what="the start of a path")
    b = as_latent(b, len(a), "the end of a path")
    t = np.linspace(0, 1, steps, dtype=np.float64)[:, None]
    z = a * (1 - t) + b * t if kind == "linear" else _spherical(a.astype(np.float64), b.astype(np.float64), t)
    z[0], z[-1] = a, b
    return z.astype(np.float32)


def _spherical(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    length_a, length_b = np.linalg.norm(a), np.linalg.norm(b)
    if length_a == 0 or length_b == 0:
        return a * (1 - t) + b * t
    u, v = a / length_a, b / length_b
    angle = np.arccos(np.clip(u @ v, -1, 1))
    if np.sin(angle) < 1e-6:  # parallel or opposite: the great circle is not unique
        return a * (1 - t) + b * t
    direction = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
    return direction * (length_a * (1 - t) + length_b * t)
