"""The attribute classifier: a small convolutional network that predicts all attributes of an image.

It measures edits and samples (docs/decisions/009-judge.md). It is trained on photographs only, never on reconstructions
or samples, so that no model is measured by what it was fitted to. For data without attributes it learns the labels, one
attribute each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Int8
from torch import Tensor, nn

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.io.artifacts import Artifacts, TensorFormat
from armoire.io.files import cache_folder, sha256
from armoire.model.networks import glorot, normalisation
from armoire.progress import SILENT, Progress
from armoire.training.averages import EVALUATION_BATCH
from armoire.training.batches import Batches
from armoire.training.randomness import generator, permutation

FORMAT = "armoire-attribute-classifier-1"
SIDE = 64  # of the input; larger images are averaged down to it
CHANNELS = ((32,), (64, 64), (128, 128), (256,))  # of each stage, whose first convolution has stride 2
FEATURES = 128
BATCH = 64
STEPS, EPOCHS = 2000, 16  # whichever is shorter
MAX_LR = 2e-3
SHIFT = 2  # pixels in each direction
HELD_BACK = 10  # every tenth training image is not trained on
FEWEST = 10  # images with, and without, an attribute that a share needs at least
RAREST = 0.1  # a rarer attribute weighs no more than one of this share
# Part of the cache key: with any other value it is another classifier.
VERSION = repr((FORMAT, CHANNELS, FEATURES, BATCH, STEPS, EPOCHS, MAX_LR, SHIFT, HELD_BACK, RAREST))


class AttributeClassifier(nn.Module):
    """Images to one logit per attribute, positive where it is predicted; `size` is the side of the input."""

    def __init__(self, image_channels: int, size: int, attributes: tuple[str, ...]) -> None:
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
        return self.head(self.features(x)) - self.offset


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
    """All attributes of each image: 1 yes, -1 no, 0 unknown; (n, a)."""
    return np.stack([images.attribute(name) for name in images.attributes], axis=1)


def _classifier_data(images: ImageSet) -> tuple[tuple[str, ...], Int8[np.ndarray, "n a"]]:
    """Names and values, (n, a), of the attributes to learn: those of the data, or one for each label."""
    if images.attributes:
        return tuple(images.attributes), known_attributes(images)
    labels, classes = images.labels, images.info.classes
    if not classes:
        raise ArmoireError(
            f"a classifier of {images.info.name} cannot be trained: the data have no labels and no attributes"
        )
    one_hot = np.where(labels[:, None] == np.arange(len(classes)), 1, -1)
    return classes, np.where(labels[:, None] < 0, 0, one_hot).astype(np.int8)


def load_attribute_classifier(
    images: ImageSet, device: torch.device, progress: Progress = SILENT
) -> AttributeClassifier:
    """The classifier of a data set, from the cache; trained on the training images and cached otherwise."""
    train, fingerprint = images.split("train"), images.info.fingerprint
    attributes, known = _classifier_data(train)
    _, height, _, channels = images.images.shape
    classifier = AttributeClassifier(channels, min(SIDE, height), attributes).to(device)

    def decode(content: tuple[dict[str, Tensor], Any]) -> AttributeClassifier:
        classifier.load_state_dict(content[0])
        return classifier

    def fit() -> AttributeClassifier:
        _train(classifier, Batches(train.images, device), known, progress)
        return classifier

    cached = TensorFormat(FORMAT, lambda classifier: (classifier.state_dict(), list(classifier.attributes)), decode)
    name = sha256(VERSION.encode(), fingerprint.encode())[:24]
    cache = Artifacts(cache_folder() / "attribute-classifiers", lambda: {"data_fingerprint": fingerprint})
    settings = {"version": VERSION}
    return cache.get(f"{name}.safetensors", cached, fit, settings=settings, progress=progress).eval()


def held_back(n: int) -> Bool[np.ndarray, " n"]:
    """Which of n training images the classifier is not trained on, so that its accuracy can be measured on them."""
    return np.arange(n) % HELD_BACK == HELD_BACK - 1


@torch.no_grad()
def predict(
    classifier: AttributeClassifier, images: Batches, rows: Int[np.ndarray, " n"] | None = None
) -> Float[np.ndarray, "n a"]:
    """Logits of all images, or of some rows."""
    indices = torch.arange(len(images)) if rows is None else torch.from_numpy(rows)
    logits = [torch.empty(0, len(classifier.attributes))]
    logits += [classifier(images.batch(part)).cpu() for part in indices.split(EVALUATION_BATCH) if len(part)]
    return torch.cat(logits).numpy()


def balanced_accuracy(predicted: Bool[np.ndarray, " n"], known: Int8[np.ndarray, " n"]) -> float | None:
    """Mean of sensitivity and specificity, 0 to 1; None with fewer than 10 positives or negatives in `known`."""
    positives, negatives = predicted[known == 1], predicted[known == -1]
    if min(len(positives), len(negatives)) < FEWEST:
        return None
    return float((positives.mean() + 1 - negatives.mean()) / 2)


def _train(classifier: AttributeClassifier, images: Batches, known: np.ndarray, progress: Progress) -> None:
    device = next(classifier.parameters()).device
    glorot(classifier, generator(0, "judge"))  # the name selects the random numbers, and published results with them
    y = torch.from_numpy(known.astype(np.float32)).to(device)
    weights, offset = _balance(known)
    weights = weights.to(device)
    trained_on = torch.from_numpy(np.flatnonzero(~held_back(len(images))))
    steps_per_epoch = max(1, len(trained_on) // BATCH)
    steps = min(STEPS, EPOCHS * steps_per_epoch)
    optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=0.01)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, MAX_LR, total_steps=steps + 1)
    classifier.train()
    shuffled = trained_on
    with progress.task("training the attribute classifier", steps * BATCH, "images", rate=True) as task:
        for step in range(steps):
            if step % steps_per_epoch == 0:
                shuffled = trained_on[permutation(0, step // steps_per_epoch, len(trained_on))]
            rows = shuffled[(step % steps_per_epoch) * BATCH :][:BATCH]
            logits = classifier.head(classifier.features(_shifted(images.batch(rows), generator(0, "shift", step))))
            weight = weights[(y[rows] > 0).long(), torch.arange(y.shape[1], device=device)] * (y[rows] != 0)
            loss = (F.softplus(-y[rows] * logits) * weight).sum() / weight.sum().clamp(min=1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rates.step()
            task.advance(len(rows))
    classifier.offset.copy_(offset)


def _balance(known: np.ndarray) -> tuple[Tensor, Tensor]:
    """Loss weights of negatives and positives, (2, a), and offsets (a,) to subtract from the logits.

    Positives and negatives weigh the same, except for rare attributes, whose few images would dominate the loss. There
    the offset makes up the difference, so that 0 is the threshold of the balanced classifier (Elkan 2001, theorem 2).
    """
    counts = np.stack([(known == -1).sum(axis=0), (known == 1).sum(axis=0)]) + 1
    shares = counts / counts.sum(axis=0)
    weights = 0.5 / np.maximum(shares, RAREST)
    no, yes = weights * shares
    return torch.from_numpy(weights.astype(np.float32)), torch.from_numpy(np.log(yes / no).astype(np.float32))


def _shifted(x: Float[Tensor, "n c h w"], draws: torch.Generator) -> Float[Tensor, "n c h w"]:
    """The batch shifted by up to two pixels, for data augmentation."""
    right, down = torch.randint(0, 2 * SHIFT + 1, (2,), generator=draws).tolist()
    size = x.shape[-1]
    return F.pad(x, (SHIFT,) * 4, mode="replicate")[..., down : down + size, right : right + size]
