"""Augmentation: training images mirrored and moved at random, where the data say that this helps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from armoire.images import ImageSet
from armoire.training.latent_size import SIDE, small_parts
from armoire.training.randomness import ALL
from armoire.training.recipe import Recipe

GAIN = 0.01  # by which changed images are nearer to unseen ones than the images alone, on average
LIKE_THE_DATA = 1.08  # distance of mirrored images to the data, relative to that of unseen images
ENOUGH = 2000  # training images that gain nothing by being changed
FEW, SPLITS = 1000, 3  # images, below which the choice is made by several splits of them


def augment(
    x: Float[Tensor, "n c h w"], recipe: Recipe, draws: torch.Generator, rows: slice = ALL, batch: int | None = None
) -> Float[Tensor, "n c h w"]:
    """A batch, half of it mirrored where the recipe says `flip`, each image moved by up to `shift` pixels.

    What a move uncovers repeats the image's edge. The whole batch is drawn, as in `normal_like`.
    """
    n = batch or len(x)
    if recipe.flip:
        mirrored = (torch.rand(n, generator=draws, device=x.device) < 0.5)[rows]
        x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
    if by := int(recipe.shift):
        moves = torch.randint(-by, by + 1, (n, 2), generator=draws, device=x.device)[rows]
        size = x.shape[-1]
        at = torch.arange(size, device=x.device)
        down, across = ((at + moves[:, k, None]).clamp(0, size - 1) for k in (0, 1))
        x = x[torch.arange(len(x), device=x.device)[:, None, None], :, down[:, :, None], across[:, None, :]]
        x = x.permute(0, 3, 1, 2).contiguous()
    return x


def choose_flip(images: ImageSet, seed: int) -> tuple[bool, str]:
    """Whether to mirror training images, and the reason in words.

    Of a tenth of the training images, compared with the other nine tenths: their mirror images must be as near to these
    as they are themselves, since a mirrored letter is none, and they nearer to mirror images of these, on average.
    """
    if enough := _enough(images):
        return False, f"flip = false: {enough}"
    gain, farther = _compare(images, seed, lambda seen: [seen[:, :, ::-1]])
    if farther > LIKE_THE_DATA:
        return False, f"flip = false: mirror images are {farther - 1:.0%} farther from the data than unseen images are"
    return gain > GAIN, f"flip = {str(gain > GAIN).lower()}: {_reason('mirror images', gain)}"


def choose_shift(images: ImageSet, seed: int) -> tuple[int, str]:
    """By how many pixels to move training images, and the reason in words.

    By a 32nd of their side, where images moved so are nearer to unseen ones, on average.
    """
    if enough := _enough(images):
        return 0, f"shift = 0: {enough}"
    gain, _ = _compare(images, seed, _moved)
    by = max(1, images.shape[0] // SIDE) if gain > GAIN else 0
    return by, f"shift = {by}: {_reason('moved images', gain)}"


def _enough(images: ImageSet) -> str:
    n = images.splits["train"]
    return f"{n:,} training images are enough as they are" if n >= ENOUGH else ""


def _moved(images: Float[np.ndarray, "n h w c"]) -> list[np.ndarray]:
    """The images moved by a pixel to each of four sides."""
    at = np.arange(images.shape[1])
    moves = [(at + sign).clip(0, at[-1]) for sign in (-1, 1)]
    return [np.take(images, move, axis=axis) for axis in (1, 2) for move in moves]


def _compare(images: ImageSet, seed: int, change: Callable[[np.ndarray], list[np.ndarray]]) -> tuple[float, float]:
    """How much nearer unseen images are to images and changed ones together, and how much farther to changed ones."""
    alone, together, changed = [], [], []
    for split in range(SPLITS if images.splits["train"] < FEW else 1):
        unseen, seen = small_parts(images, seed + split)
        near = _nearest(unseen, seen)
        others = np.minimum.reduce([_nearest(unseen, some) for some in change(seen)])
        alone.append(near.mean())
        together.append(np.minimum(near, others).mean())
        changed.append(others.mean())
    least = max(float(np.mean(alone)), 1e-12)
    return 1 - float(np.mean(together)) / least, float(np.mean(changed)) / least


def _nearest(a: Float[np.ndarray, "n h w c"], b: Float[np.ndarray, "m h w c"]) -> Float[np.ndarray, " n"]:
    """The distance of each image of a to the nearest of b."""
    from sklearn.metrics import pairwise_distances_argmin_min

    rows = (np.ascontiguousarray(images).reshape(len(images), -1) for images in (a, b))
    return pairwise_distances_argmin_min(*rows)[1]


def _reason(what: str, gain: float) -> str:
    return f"with {what} of the others, unseen images are {gain:.1%} nearer to them"
