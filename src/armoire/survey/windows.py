"""Pairs of images where one may be a copy of a window of the other: nearest neighbours of all windows of all images.

An image and its copy differ little once both show the same part. So each image is looked up as it is, mirrored, and
cropped to a number of windows, among all images as they are. All of these are linear maps of the small image, and their
first principal components are enough to find neighbours, which `alignment` verifies.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

SIDE = 16  # of windows that are compared
COMPONENTS = 64
SAMPLE = 5000  # images that the components are fitted to
NEIGHBOURS = 4  # of each window
BLOCK = 4096  # images at a time
INDEX_FROM = 100_000  # images, from which neighbours are searched in a graph, if usearch is installed


@dataclass(frozen=True)
class Windows:
    """m windows as boxes (x, y, half width, half height) in coordinates -1 to 1; a negative width mirrors."""

    boxes: Float[np.ndarray, "m 4"]

    @classmethod
    def usual(cls) -> Windows:
        """The whole image, also mirrored; 90 % of it in nine places, or of one side alone; 80 % in the middle."""
        whole, part, inner = 1.0, 0.9, 0.8
        places = (part - 1, 0.0, 1 - part)
        boxes = [(0.0, 0.0, whole, whole), (0.0, 0.0, -whole, whole), (0.0, 0.0, inner, inner)]
        boxes += [(x, y, part, part) for x in places for y in places]
        boxes += [(x, 0.0, part, whole) for x in places] + [(0.0, y, whole, part) for y in places]
        return cls(np.array(boxes, np.float32))


@dataclass(frozen=True, eq=False)
class Candidates:
    """c pairs: `copies` may show the window `boxes` of `originals`; both are rows."""

    originals: Int[np.ndarray, " c"]
    copies: Int[np.ndarray, " c"]
    boxes: Float[np.ndarray, "c 4"]
    differences: Float[np.ndarray, " c"]  # root mean squares over pixels 0 to 1, by the components alone

    def take(self, rows: np.ndarray) -> Candidates:
        """Some of them."""
        return Candidates(self.originals[rows], self.copies[rows], self.boxes[rows], self.differences[rows])

    def nearest_of_each(self) -> Candidates:
        """The window of the least difference of each pair, mirrored and not."""
        mirrored = self.boxes[:, 2] < 0
        order = np.lexsort((self.differences, mirrored, self.copies, self.originals))
        keys = np.stack([self.originals, self.copies, mirrored])[:, order]
        return self.take(order[np.r_[True, (keys[:, 1:] != keys[:, :-1]).any(axis=0)]])


def sample_boxes(
    images: Float[Tensor, "n c h w"], boxes: Float[Tensor, "n 4"], side: int, mode: str = "bilinear"
) -> Float[Tensor, "n c s s"]:
    """The boxes of images, resized to `side` pixels; outside of an image its border is repeated."""
    steps = (torch.arange(side) * 2 + 1) / side - 1
    x = boxes[:, 0, None] + boxes[:, 2, None] * steps
    y = boxes[:, 1, None] + boxes[:, 3, None] * steps
    grid = torch.stack([x[:, None, :].expand(-1, side, -1), y[:, :, None].expand(-1, -1, side)], dim=3)
    return F.grid_sample(images, grid, mode=mode, padding_mode="border", align_corners=False)


def smooth(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Images averaged over 3 x 3 pixels with weights 1, 2, 1."""
    kernel = torch.tensor([1.0, 2.0, 1.0]) / 4
    channels = images.shape[1]
    weights = (kernel[:, None] * kernel).expand(channels, 1, 3, 3)
    return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), weights, groups=channels)


def find_candidates(small: UInt8[np.ndarray, "n s s 3"], windows: Windows, seed: int = 0) -> Candidates:
    """The nearest images of each window of each image."""
    n = len(small)
    maps, shift = _projections(small, windows, seed)
    look_up = _search(_project(small, maps[0], shift))
    found = []
    for matrix, box in zip(maps, windows.boxes, strict=True):
        rows, distances = look_up(_project(small, matrix, shift), min(NEIGHBOURS + 1, n))
        originals = np.arange(n).repeat(rows.shape[1])
        boxes = np.broadcast_to(box, (rows.size, 4))
        pairs = Candidates(originals, rows.ravel(), boxes, distances.ravel() / math.sqrt(3 * SIDE * SIDE))
        found.append(pairs.take(pairs.originals != pairs.copies))
    parts = zip(*[(each.originals, each.copies, each.boxes, each.differences) for each in found], strict=True)
    return Candidates(*map(np.concatenate, parts)).nearest_of_each()


def _projections(
    small: UInt8[np.ndarray, "n s s 3"], windows: Windows, seed: int
) -> tuple[list[Float[np.ndarray, "p d"]], Float[np.ndarray, " d"]]:
    """A matrix a window, from pixels to components, and what is subtracted from all of them."""
    from sklearn.decomposition import PCA

    side = small.shape[1]
    basis = smooth(torch.eye(side * side).reshape(-1, 1, side, side))
    boxes = torch.from_numpy(windows.boxes)
    seen = [sample_boxes(basis, box.expand(len(basis), 4), SIDE).flatten(1).numpy() for box in boxes]
    rows = np.random.default_rng(seed).permutation(len(small))[:SAMPLE]
    whole = np.tensordot(_pixels(small[rows]), seen[0], (1, 0)).reshape(len(rows), -1)
    fitted = PCA(min(COMPONENTS, *whole.shape), svd_solver="covariance_eigh").fit(whole)
    components = np.asarray(fitted.components_)
    to_components = components.reshape(-1, 3, SIDE * SIDE)  # the colours come first, as in `whole`
    maps = [np.tensordot(part, to_components, (1, 2)).transpose(0, 2, 1).reshape(side * side * 3, -1) for part in seen]
    return [m.astype(np.float32) for m in maps], (fitted.mean_ @ components.T).astype(np.float32)


def _pixels(small: UInt8[np.ndarray, "n s s 3"]) -> Float[np.ndarray, "n p 3"]:
    return small.reshape(len(small), -1, 3).astype(np.float32) / 255


def _project(small: UInt8[np.ndarray, "n s s 3"], matrix: np.ndarray, shift: np.ndarray) -> Float[np.ndarray, "n d"]:
    blocks = [small[i : i + BLOCK] for i in range(0, len(small), BLOCK)]
    return np.concatenate([_pixels(block).reshape(len(block), -1) @ matrix - shift for block in blocks])


def _search(points: Float[np.ndarray, "n d"]) -> Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]:
    """A function from m points and k to rows and distances of their k nearest, each (m, k)."""
    if len(points) < INDEX_FROM or find_spec("usearch") is None:
        from sklearn.neighbors import NearestNeighbors

        exact = NearestNeighbors(algorithm="brute").fit(points)
        return lambda queries, k: exact.kneighbors(queries, k)[::-1]
    from usearch.index import Index

    graph = Index(ndim=points.shape[1], metric="l2sq", dtype="f16", enable_key_lookups=False)
    graph.add(np.arange(len(points)), points)

    def look_up(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        found = graph.search(queries, k)
        return found.keys.astype(np.int64), np.sqrt(found.distances)

    return look_up
