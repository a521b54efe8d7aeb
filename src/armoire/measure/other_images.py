"""Whether other images differ from a run's training data, in content or only in how their pixels are encoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from armoire.images import ImageSet
from armoire.images.fit import Fit
from armoire.measure.doctor_rules import Finding
from armoire.wardrobe import Wardrobe
from armoire.wardrobe.outliers import squared_errors

BRIGHTNESS_IMAGES = 2000
UNFAMILIAR = 2.0  # error on these images, relative to held-out ones
RESTORED = 0.6  # error after a change of the pixels, relative to the error before
SCALED = "scaled to 0 and 1 instead of 0 to 255"
CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "inverted": lambda pixels: 255 - pixels,
    SCALED: lambda pixels: np.clip(pixels.astype(np.uint16) * 255, 0, 255).astype(np.uint8),
    "with red and blue swapped": lambda pixels: pixels[..., ::-1],
    "upside down": lambda pixels: pixels[:, ::-1],
    "rotated or transposed": lambda pixels: pixels.transpose(0, 2, 1, 3),
}


def compare_images(wardrobe: Wardrobe, part: ImageSet, usual_mse: float) -> dict[str, Any]:
    """Reconstruction error and brightness of images, and their error after each change of their pixels."""
    pixels, model = np.array(part.images), wardrobe.model
    train = np.asarray(wardrobe.images.split("train").first(BRIGHTNESS_IMAGES).images)
    return {
        "n": len(pixels),
        "mse": float(squared_errors(model, pixels).mean()),
        "usual_mse": usual_mse,
        "mean": float(pixels.mean() / 255),
        "largest_byte": int(pixels.max()),
        "usual_mean": float(train.mean() / 255),
        "changed": {
            name: float(squared_errors(model, _changed(pixels, change, wardrobe.fit)).mean())
            for name, change in CHANGES.items()
        },
    }


def different_images(wardrobe: Wardrobe, given: dict[str, Any]) -> Finding | None:
    """The finding for images that the model reconstructs badly, from the numbers of `compare_images`."""
    # Bytes of 0 and 1 are nearly black, which is easy to reconstruct.
    unscaled = given["largest_byte"] <= 1
    if not unscaled and given["mse"] < UNFAMILIAR * given["usual_mse"]:
        return None
    best = SCALED if unscaled else min(given["changed"], key=lambda name: given["changed"][name])
    restored = given["changed"][best]
    evidence = (
        f"squared error {given['mse']:.4f}, where held-out images have {given['usual_mse']:.4f}; mean brightness "
        f"{given['mean']:.2f}, where the training images have {given['usual_mean']:.2f}"
    )
    if not unscaled and restored > RESTORED * given["mse"]:
        return Finding(
            "unfamiliar images",
            evidence,
            "their content differs from the training images, or they were preprocessed differently",
            f"armoire reconstruct {wardrobe.run.path} IMAGE --out check.png, and compare; or train on them as well",
        )
    return Finding(
        "un-normalised input",
        f"{evidence}; with the pixels taken as {best}, the same images have {restored:.4f}",
        f"the pixels are {best}, compared with the training images",
        f"preprocess the images as the training images were, and run armoire doctor {wardrobe.run.path} again",
    )


def _changed(pixels: np.ndarray, change: Callable[[np.ndarray], np.ndarray], fit: Fit) -> np.ndarray:
    """Images with their pixels changed, except the padding."""
    before = (fit.canvas - fit.size) // 2
    inner = slice(before, before + fit.size)
    changed = pixels.copy()
    changed[:, inner, inner] = change(pixels[:, inner, inner])
    return changed
