"""The number of latent dimensions that a data set asks for."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from armoire.images import ImageSet

SIZES = (8, 16, 32, 64, 128, 256)
EXPLAINED = 0.95  # of the variance of images that the components were not computed from
IMAGES_PER_DIMENSION = 3
MOST_IMAGES, SIDE = 5000, 32  # that components are computed from: more change neither the choice nor them
HELD_OUT = 0.1


def choose_latent(images: ImageSet, seed: int) -> tuple[int, str]:
    """The number of latent dimensions for the training images of a data set, and the reason in words.

    The smallest of `SIZES` at which principal components explain 95 % of the variance of training images that they
    were not computed from (Jolliffe 2002, Principal Component Analysis, section 6.1.1), with three training images or
    more to a dimension. The images that are measured on have no part in it.
    """
    train = images.split("train")
    unseen, seen = (some.reshape(len(some), -1) for some in small_parts(images, seed))
    most = max((size for size in SIZES if size * IMAGES_PER_DIMENSION <= len(train)), default=SIZES[0])
    explained = _explained(unseen, seen, [size for size in SIZES if size <= most], seed)
    enough = [size for size, share in explained.items() if share >= EXPLAINED]
    d = enough[0] if enough else most
    components = f"{d} principal components explain {explained.get(d, 0):.0%} of the variance of unseen images"
    limit = "" if enough else f"; more dimensions would need more images than the {len(train):,} there are"
    if not enough and most == SIZES[-1]:
        limit = "; more are not taken"
    return d, f"latent = {d}: {components}{limit}"


def small_parts(images: ImageSet, seed: int) -> tuple[Float[np.ndarray, "u h w c"], Float[np.ndarray, "n h w c"]]:
    """At most 5,000 training images, averaged down to at most 32 x 32: a tenth to judge by, and the others."""
    pixels = _small(images.split("train").draw(MOST_IMAGES, seed).images)
    order = np.random.default_rng(seed).permutation(len(pixels))
    unseen, seen = np.split(pixels[order], [max(1, round(HELD_OUT * len(pixels)))])
    return unseen, seen


def _explained(
    unseen: Float[np.ndarray, "u p"], seen: Float[np.ndarray, "n p"], sizes: list[int], seed: int
) -> dict[int, float]:
    """The share of the variance of unseen rows that as many principal components of the seen ones explain."""
    from sklearn.decomposition import PCA

    sizes = [size for size in sizes if size <= min(seen.shape)]
    if not sizes or not np.ptp(seen):
        return dict.fromkeys(sizes, 1.0)
    components = PCA(sizes[-1], random_state=seed).fit(seen)
    total = float(np.square(unseen - components.mean_).sum())
    found = np.square(components.transform(unseen)).sum(axis=0).cumsum()
    return {size: float(found[size - 1]) / total for size in sizes}


def _small(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n s t c"]:
    """Images as averages over blocks, at most 32 x 32 of them."""
    n, side, _, channels = images.shape
    block = max(1, side // SIDE)
    blocks = images.reshape(n, side // block, block, side // block, block, channels)
    return blocks.mean(axis=(2, 4), dtype=np.float32) / 255
