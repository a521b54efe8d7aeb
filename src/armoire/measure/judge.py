"""A judge: a small classifier of all attributes, trained on photographs only, that says what an image shows.

Of data without attributes it is taught the labels, each as an attribute of its own. It measures edits and samples. It
never sees a reconstruction or a sample in training, so that no model is measured by what it was fitted to.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Int8
from torch import Tensor, nn

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.io.files import cache_folder, make_folder, sha256
from armoire.io.tensors import open_tensors, write_tensors
from armoire.model.networks import glorot, normalisation
from armoire.progress import SILENT, Progress
from armoire.training.averages import EVALUATION_BATCH
from armoire.training.batches import Batches
from armoire.training.randomness import generator, order

FORMAT = "armoire-judge-1"
SIDE = 64  # larger images are averaged down to it
CHANNELS = ((32,), (64, 64), (128, 128), (256,))  # of each stage; its first convolution halves
FEATURES = 128
BATCH = 64
STEPS, EPOCHS = 2000, 16  # whichever ends first
LARGEST_RATE = 2e-3
SHIFT = 2  # pixels, each way
SET_ASIDE = 10  # every tenth training image is kept from the judge
FEWEST = 10  # images of either side of an attribute, below which a share of them says nothing
RAREST = 0.1  # a rarer side of an attribute weighs no more than one of this share
# Another network or another training is another judge.
VERSION = repr((FORMAT, CHANNELS, FEATURES, BATCH, STEPS, EPOCHS, LARGEST_RATE, SHIFT, SET_ASIDE, RAREST))


class Judge(nn.Module):
    """Images to one logit an attribute, above 0 where it says yes."""

    def __init__(self, image_channels: int, size: int, attributes: tuple[str, ...]) -> None:
        """With fresh weights; `size` is the side of its input."""
        super().__init__()
        self.attributes = attributes
        self.size = size
        stages = CHANNELS[: max(1, (size // 4).bit_length() - 1)]
        width = stages[-1][-1] * (size >> len(stages)) ** 2
        self.encoder = nn.Sequential(*_convolutions(image_channels, stages), nn.Flatten())
        self.bottleneck = nn.Sequential(nn.Linear(width, FEATURES), nn.ReLU())
        self.verdict = nn.Linear(FEATURES, len(attributes))
        self.register_buffer("offset", torch.zeros(len(attributes)))
        self.offset: Tensor
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        """What it sees in images in [0, 1], before its verdict."""
        x = F.interpolate(x, (self.size, self.size), mode="area") if x.shape[-1] > self.size else x
        return self.bottleneck(self.encoder(x - 0.5))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n a"]:
        """Logits of images in [0, 1]."""
        return self.judged(self.features(x))

    def judged(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n a"]:
        """Logits of what was seen."""
        return self.verdict(features) - self.offset


def _convolutions(before: int, stages: tuple[tuple[int, ...], ...]) -> list[nn.Module]:
    # Batch normalisation, at every price: with group normalisation the same judge learnt half as fast.
    layers: list[nn.Module] = []
    for stage in stages:
        for k, after in enumerate(stage):
            layers += [nn.Conv2d(before, after, 3, stride=2 if k == 0 else 1, padding=1)]
            layers += [*normalisation(after, "batch"), nn.LeakyReLU(0.1)]
            before = after
    return layers


def known_attributes(images: ImageSet) -> Int8[np.ndarray, "n a"]:
    """All attributes of each image: 1 yes, -1 no, 0 unknown."""
    return np.stack([images.attribute(name) for name in images.attributes], axis=1)


def _taught(images: ImageSet) -> tuple[tuple[str, ...], Int8[np.ndarray, "n a"]]:
    """What a judge of a data set is taught: its attributes, or each label as one."""
    if images.attributes:
        return tuple(images.attributes), known_attributes(images)
    labels, classes = images.labels, images.info.classes
    if not classes:
        raise ArmoireError(
            f"a classifier of {images.info.name} cannot be taught: none of its labels or attributes is known"
        )
    shown = np.where(labels[:, None] == np.arange(len(classes)), 1, -1)
    return classes, np.where(labels[:, None] < 0, 0, shown).astype(np.int8)


def load_judge(images: ImageSet, device: torch.device, progress: Progress = SILENT) -> Judge:
    """The judge of a data set: from the cache, or trained on its training images and kept there."""
    train = images.split("train")
    attributes, known = _taught(train)
    key = f"{VERSION} {images.info.fingerprint}"
    path = cache_folder() / "judges" / f"{sha256(key.encode())[:24]}.safetensors"
    _, height, _, channels = images.images.shape
    judge = Judge(channels, min(SIDE, height), attributes).to(device)
    if not _restore(judge, path):
        _train(judge, Batches(train.images, device), known, progress)
        facts = {"format": FORMAT, "attributes": json.dumps(attributes), "data_fingerprint": images.info.fingerprint}
        try:
            make_folder(path.parent)
            write_tensors(path, judge.state_dict(), facts)
        except ArmoireError as error:
            progress.note(f"the judge cannot be kept, and will be trained again: {error}")
    return judge.eval()


def set_aside(n: int) -> Bool[np.ndarray, " n"]:
    """Which of n training images the judge is not shown, so that they can tell how well it judges."""
    return np.arange(n) % SET_ASIDE == SET_ASIDE - 1


@torch.no_grad()
def look_at(
    judge: Judge, feed: Batches, rows: Int[np.ndarray, " n"] | None = None
) -> tuple[Float[np.ndarray, "n a"], Float[np.ndarray, "n f"]]:
    """Logits and features of the images of a feed, or of some of its rows."""
    indices = torch.arange(len(feed)) if rows is None else torch.from_numpy(rows)
    features = [torch.empty(0, FEATURES)]
    features += [judge.features(feed.batch(part)).cpu() for part in indices.split(EVALUATION_BATCH) if len(part)]
    seen = torch.cat(features)
    return judge.judged(seen.to(judge.offset.device)).cpu().numpy(), seen.numpy()


def balanced_accuracy(says: Bool[np.ndarray, " n"], known: Int8[np.ndarray, " n"]) -> float | None:
    """Mean of the shares judged right among those with and those without; None where fewer than 10 of either are known.

    Args:
        says: whether it is said that an image has the attribute.
        known: what is true: 1 yes, -1 no, 0 unknown.
    """
    with_it, without = says[known == 1], says[known == -1]
    if min(len(with_it), len(without)) < FEWEST:
        return None
    return float((with_it.mean() + 1 - without.mean()) / 2)


def _restore(judge: Judge, path: Path) -> bool:
    try:
        judge.load_state_dict(open_tensors(path, FORMAT).read())
    except (OSError, ValueError, RuntimeError):
        return False  # damaged, or another version's: trained again
    return True


def _train(judge: Judge, feed: Batches, known: np.ndarray, progress: Progress) -> None:
    device = next(judge.parameters()).device
    glorot(judge, generator(0, "judge"))
    y = torch.from_numpy(known.astype(np.float32)).to(device)
    weights, offset = _balance(known)
    weights = weights.to(device)
    shown = torch.from_numpy(np.flatnonzero(~set_aside(len(feed))))
    an_epoch = max(1, len(shown) // BATCH)
    steps = min(STEPS, EPOCHS * an_epoch)
    optimizer = torch.optim.AdamW(judge.parameters(), weight_decay=0.01)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, LARGEST_RATE, total_steps=steps + 1)
    judge.train()
    visits = shown
    with progress.task("training a judge", steps * BATCH, "images", rate=True) as task:
        for step in range(steps):
            if step % an_epoch == 0:
                visits = shown[order(0, step // an_epoch, len(shown))]
            chosen = visits[(step % an_epoch) * BATCH :][:BATCH]
            logits = judge.verdict(judge.features(_shifted(feed.batch(chosen), generator(0, "shift", step))))
            weight = weights[(y[chosen] > 0).long(), torch.arange(y.shape[1], device=device)] * (y[chosen] != 0)
            loss = (F.softplus(-y[chosen] * logits) * weight).sum() / weight.sum().clamp(min=1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rates.step()
            task.advance(len(chosen))
    judge.offset.copy_(offset)


def _balance(known: np.ndarray) -> tuple[Tensor, Tensor]:
    """Weights of no and of yes, (2, a), and what is to be taken from each logit (a,), so that 0 divides the two evenly.

    Both sides of an attribute count the same, but for rare ones: their few images would shout all others down. What
    is missing to evenness there is a constant of the logit (Elkan 2001, theorem 2).
    """
    counts = np.stack([(known == -1).sum(axis=0), (known == 1).sum(axis=0)]) + 1
    shares = counts / counts.sum(axis=0)
    weights = 0.5 / np.maximum(shares, RAREST)
    no, yes = weights * shares
    return torch.from_numpy(weights.astype(np.float32)), torch.from_numpy(np.log(yes / no).astype(np.float32))


def _shifted(x: Float[Tensor, "n c h w"], draws: torch.Generator) -> Float[Tensor, "n c h w"]:
    """Moved by a few pixels: where exactly a face lies is not what it shows."""
    right, down = torch.randint(0, 2 * SHIFT + 1, (2,), generator=draws).tolist()
    size = x.shape[-1]
    return F.pad(x, (SHIFT,) * 4, mode="replicate")[..., down : down + size, right : right + size]
