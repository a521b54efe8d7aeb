"""The attribute classifier: a small convolutional network that predicts all attributes of an image.

It measures edits and samples (docs/decisions/009-judge.md). It is trained on photographs only, never on reconstructions
or samples, so that no model is measured by what it was fitted to. For data without attributes it learns the labels, one
attribute each.
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
from armoire.training.randomness import generator, permutation

FORMAT = "armoire-attribute-classifier-1"
SIDE = 64  # larger images are averaged down to it
CHANNELS = ((32,), (64, 64), (128, 128), (256,))  # of each stage; its first convolution halves
FEATURES = 128
BATCH = 64
STEPS, EPOCHS = 2000, 16  # whichever ends first
LARGEST_RATE = 2e-3
SHIFT = 2  # pixels, each way
HELD_BACK = 10  # every tenth training image is not trained on
FEWEST = 10  # images with, and without, an attribute that a share needs at least
RAREST = 0.1  # a rarer side of an attribute weighs no more than one of this share
# Another network or another training is another classifier.
VERSION = repr((FORMAT, CHANNELS, FEATURES, BATCH, STEPS, EPOCHS, LARGEST_RATE, SHIFT, HELD_BACK, RAREST))


class AttributeClassifier(nn.Module):
    """Images to one logit per attribute, positive where the attribute is predicted."""

    def __init__(self, image_channels: int, size: int, attributes: tuple[str, ...]) -> None:
        """With fresh weights; `size` is the side of its input."""
        super().__init__()
        self.attributes = attributes
        self.size = size
        stages = CHANNELS[: max(1, (size // 4).bit_length() - 1)]
        width = stages[-1][-1] * (size >> len(stages)) ** 2
        self.encoder = nn.Sequential(*_convolutions(image_channels, stages), nn.Flatten())
        self.bottleneck = nn.Sequential(nn.Linear(width, FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, len(attributes))
        self.register_buffer("offset", torch.zeros(len(attributes)))
        self.offset: Tensor
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        """The 128 features before the last layer, of images in [0, 1]."""
        x = F.interpolate(x, (self.size, self.size), mode="area") if x.shape[-1] > self.size else x
        return self.bottleneck(self.encoder(x - 0.5))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n a"]:
        """Logits of images in [0, 1]."""
        return self.logits(self.features(x))

    def logits(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n a"]:
        """Logits of features."""
        return self.head(features) - self.offset


def _convolutions(before: int, stages: tuple[tuple[int, ...], ...]) -> list[nn.Module]:
    # With group normalisation the same classifier learned half as fast.
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


def _classifier_data(images: ImageSet) -> tuple[tuple[str, ...], Int8[np.ndarray, "n a"]]:
    """Names and values, (n, a), of the attributes to learn: those of the data, or one for each label."""
    if images.attributes:
        return tuple(images.attributes), known_attributes(images)
    labels, classes = images.labels, images.info.classes
    if not classes:
        raise ArmoireError(
            f"a classifier of {images.info.name} cannot be taught: none of its labels or attributes is known"
        )
    shown = np.where(labels[:, None] == np.arange(len(classes)), 1, -1)
    return classes, np.where(labels[:, None] < 0, 0, shown).astype(np.int8)


def load_attribute_classifier(
    images: ImageSet, device: torch.device, progress: Progress = SILENT
) -> AttributeClassifier:
    """The classifier of a data set, from the cache; trained on the training images and stored there otherwise."""
    train = images.split("train")
    attributes, known = _classifier_data(train)
    key = f"{VERSION} {images.info.fingerprint}"
    path = cache_folder() / "attribute-classifiers" / f"{sha256(key.encode())[:24]}.safetensors"
    _, height, _, channels = images.images.shape
    classifier = AttributeClassifier(channels, min(SIDE, height), attributes).to(device)
    if not _restore(classifier, path):
        _train(classifier, Batches(train.images, device), known, progress)
        facts = {"format": FORMAT, "attributes": json.dumps(attributes), "data_fingerprint": images.info.fingerprint}
        try:
            make_folder(path.parent)
            write_tensors(path, classifier.state_dict(), facts)
        except ArmoireError as error:
            progress.note(f"the attribute classifier cannot be cached, and will be trained again: {error}")
    return classifier.eval()


def held_back(n: int) -> Bool[np.ndarray, " n"]:
    """Which of n training images the classifier is not trained on, so that its accuracy can be measured on them."""
    return np.arange(n) % HELD_BACK == HELD_BACK - 1


@torch.no_grad()
def predict(
    classifier: AttributeClassifier, feed: Batches, rows: Int[np.ndarray, " n"] | None = None
) -> tuple[Float[np.ndarray, "n a"], Float[np.ndarray, "n f"]]:
    """Logits and features of the images of a feed, or of some of its rows."""
    indices = torch.arange(len(feed)) if rows is None else torch.from_numpy(rows)
    features = [torch.empty(0, FEATURES)]
    features += [classifier.features(feed.batch(part)).cpu() for part in indices.split(EVALUATION_BATCH) if len(part)]
    seen = torch.cat(features)
    return classifier.logits(seen.to(classifier.offset.device)).cpu().numpy(), seen.numpy()


def balanced_accuracy(says: Bool[np.ndarray, " n"], known: Int8[np.ndarray, " n"]) -> float | None:
    """Mean of sensitivity and specificity, 0 to 1; None with fewer than 10 positives or negatives.

    Args:
        says: the predictions.
        known: the truth: 1 yes, -1 no, 0 unknown.
    """
    with_it, without = says[known == 1], says[known == -1]
    if min(len(with_it), len(without)) < FEWEST:
        return None
    return float((with_it.mean() + 1 - without.mean()) / 2)


def _restore(classifier: AttributeClassifier, path: Path) -> bool:
    try:
        classifier.load_state_dict(open_tensors(path, FORMAT).read())
    except (OSError, ValueError, RuntimeError):
        return False  # damaged, or another version's: trained again
    return True


def _train(classifier: AttributeClassifier, feed: Batches, known: np.ndarray, progress: Progress) -> None:
    device = next(classifier.parameters()).device
    glorot(classifier, generator(0, "judge"))  # the name selects the random numbers, and published results with them
    y = torch.from_numpy(known.astype(np.float32)).to(device)
    weights, offset = _balance(known)
    weights = weights.to(device)
    shown = torch.from_numpy(np.flatnonzero(~held_back(len(feed))))
    an_epoch = max(1, len(shown) // BATCH)
    steps = min(STEPS, EPOCHS * an_epoch)
    optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=0.01)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, LARGEST_RATE, total_steps=steps + 1)
    classifier.train()
    visits = shown
    with progress.task("training the attribute classifier", steps * BATCH, "images", rate=True) as task:
        for step in range(steps):
            if step % an_epoch == 0:
                visits = shown[permutation(0, step // an_epoch, len(shown))]
            chosen = visits[(step % an_epoch) * BATCH :][:BATCH]
            logits = classifier.head(classifier.features(_shifted(feed.batch(chosen), generator(0, "shift", step))))
            weight = weights[(y[chosen] > 0).long(), torch.arange(y.shape[1], device=device)] * (y[chosen] != 0)
            loss = (F.softplus(-y[chosen] * logits) * weight).sum() / weight.sum().clamp(min=1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rates.step()
            task.advance(len(chosen))
    classifier.offset.copy_(offset)


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
