"""Whether one image is a copy of a window of another: align them, then compare their pixels.

The window is refined by Gauss-Newton steps (Lucas and Kanade 1981, IJCAI) on its place and size, with the contrast and
brightness of the copy free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from armoire.progress import Task
from armoire.survey.windows import Candidates, sample_boxes, smooth

STEPS, MORE_STEPS = 5, 10  # at 16 pixels, and in full
BATCH = 2048  # pairs
ROUGH = 16  # side in pixels at which most pairs are ruled out
# Differences of windows worth aligning, and once they are aligned at 16 pixels; distance of copies.
LIKE, ROUGHLY, LIMIT = 0.4, 0.3, 0.027
LIMITS = (0.75, 1.02)  # of the sides of a window
SPREAD = 0.04  # contrast below which differences count as in an image of this standard deviation; pixels are 0 to 1

Measure = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Edges:
    """e verified pairs, rows of images."""

    originals: Int[np.ndarray, " e"]
    copies: Int[np.ndarray, " e"]
    boxes: Float[np.ndarray, "e 4"]  # what the copies show of the originals
    distances: Float[np.ndarray, " e"]  # 0 where they are equal


def align(
    originals: Float[Tensor, "n 3 s s"],
    copies: Float[Tensor, "n 3 s s"],
    boxes: Float[Tensor, "n 4"],
    steps: int,
) -> Float[Tensor, "n 4"]:
    """The boxes of the originals that the copies show, refined from a start nearby."""
    side = copies.shape[-1]
    grey, target = originals.mean(1, keepdim=True), copies.mean(1).flatten(1)
    slopes = _slopes(grey)
    u = ((torch.arange(side) * 2 + 1) / side - 1).expand(side, side)
    u, v = u.flatten(), u.T.flatten()
    ones = torch.ones_like(target)
    for _ in range(steps):
        seen, dx, dy = sample_boxes(torch.cat([grey, slopes], 1), boxes, side).flatten(2).unbind(1)
        jacobian = torch.stack([dx, dy, dx * u, dy * v, seen, ones], dim=2)
        normal = jacobian.mT @ jacobian + torch.diag(torch.tensor([1e-2] * 4 + [1e-1, 1e-4]))
        step = torch.linalg.solve(normal, (jacobian.mT @ (target - seen)[..., None]))[:, :4, 0]
        boxes = _inside(boxes + step.clamp(-0.06, 0.06))
    return boxes


def _slopes(grey: Float[Tensor, "n 1 s s"]) -> Float[Tensor, "n 2 s s"]:
    """Derivatives by x and y, in coordinates that run from -1 to 1."""
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    dx = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    dy = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    return torch.cat([dx, dy], 1) * (grey.shape[-1] / 4)


def _inside(boxes: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    """Boxes of allowed sizes that lie within the image, or nearly."""
    x, y, w, h = boxes.unbind(1)
    w, h = torch.sign(w) * w.abs().clamp(*LIMITS), h.clamp(*LIMITS)
    room_x, room_y = (1.02 - w.abs()), (1.02 - h)
    return torch.stack([x.clamp(-room_x, room_x), y.clamp(-room_y, room_y), w, h], 1)


def verify(small: UInt8[np.ndarray, "n s s 3"], candidates: Candidates, task: Task) -> Edges:
    """The candidates that are copies: aligned and compared at 16 pixels, and what is left in full."""
    spread = small.reshape(len(small), -1).std(axis=1) / 255 + SPREAD
    found = candidates.take(candidates.differences < LIKE * spread[candidates.copies])
    boxes, distances = torch.from_numpy(found.boxes.copy()), np.empty(0)
    for side, steps, measure, limit in (
        (ROUGH, STEPS, difference, ROUGHLY),
        (small.shape[1], MORE_STEPS, distance, LIMIT),
    ):
        images = _reduced(small, side)
        aligned = [
            _compare(images[found.originals[part]] / 255, images[found.copies[part]] / 255, boxes[part], steps, measure)
            for part in np.array_split(np.arange(len(boxes)), max(1, -(-len(boxes) // BATCH)))
        ]
        task.advance(len(boxes))
        boxes, distances = torch.cat([box for box, _ in aligned]), np.concatenate([d for _, d in aligned])
        near = np.flatnonzero(distances < limit)
        found, boxes, distances = found.take(near), boxes[near], distances[near]
    return Edges(found.originals, found.copies, boxes.numpy(), distances)


def _reduced(small: UInt8[np.ndarray, "n s s 3"], side: int) -> UInt8[Tensor, "n 3 t t"]:
    """Smoothed images, reduced to `side`."""
    found = []
    for start in range(0, len(small), BATCH):
        pixels = smooth(torch.from_numpy(small[start : start + BATCH]).permute(0, 3, 1, 2).float())
        found.append(F.avg_pool2d(pixels, small.shape[1] // side).round().byte())
    return torch.cat(found)


def _compare(
    a: Float[Tensor, "n 3 s s"], b: Float[Tensor, "n 3 s s"], boxes: Float[Tensor, "n 4"], steps: int, measure: Measure
) -> tuple[Float[Tensor, "n 4"], Float[np.ndarray, " n"]]:
    if not len(boxes):
        return boxes, np.empty(0)
    boxes = align(a, b, boxes, steps)
    return boxes, measure(a, b, boxes).numpy()


def difference(
    a: Float[Tensor, "n 3 s s"], b: Float[Tensor, "n 3 s s"], boxes: Float[Tensor, "n 4"]
) -> Float[Tensor, " n"]:
    """Root mean square difference over the standard deviation of pixels, of the part of `a` that `b` may show."""
    return (sample_boxes(a, boxes, b.shape[-1]) - b).flatten(1).square().mean(1).sqrt() / _spread(b)


def distance(
    a: Float[Tensor, "n 3 s s"], b: Float[Tensor, "n 3 s s"], boxes: Float[Tensor, "n 4"]
) -> Float[Tensor, " n"]:
    """The distance of `b` from the part of `a` that it may show; pixels are 0 to 1.

    sqrt(r w / sqrt(s)), where r is the root mean square difference at half the side, w that of the worst square of half
    the width at a quarter of the side, and s the standard deviation of `b`: a part that differs counts more than noise
    everywhere, and faint differences count in an image of little contrast (docs/decisions/048).
    """
    half = F.avg_pool2d(smooth(torch.cat([sample_boxes(a, boxes, b.shape[-1], "bicubic"), b])), 2)
    quarter = F.avg_pool2d(smooth(half), 2)
    whole = _squares(half).mean((1, 2, 3)).sqrt()
    worst = F.avg_pool2d(_squares(quarter), quarter.shape[-1] // 2, quarter.shape[-1] // 4).flatten(1).amax(1).sqrt()
    return (whole * worst / _spread(b).sqrt()).sqrt()


def _squares(pair: Float[Tensor, "m 3 s s"]) -> Float[Tensor, "n 1 s s"]:
    """Squared differences of the first half of images and the second."""
    a, b = pair.chunk(2)
    return (a - b).square().mean(1, keepdim=True)


def _spread(x: Float[Tensor, "n 3 s s"]) -> Float[Tensor, " n"]:
    return x.flatten(1).std(1) + SPREAD
