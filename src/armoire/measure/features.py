"""The networks by whose features samples are compared, by name."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from armoire.errors import ArmoireError, did_you_mean
from armoire.images import ImageSet
from armoire.measure.attribute_classifier import VERSION, AttributeClassifier, load_attribute_classifier
from armoire.progress import SILENT, Progress
from armoire.wardrobe.extractors import DinoV2Focus, EfficientNetLite0, Extractor

EXTRACTORS = ("efficientnet-lite0", "dinov2-focus", "classifier", "inception")


class Classifier(Extractor):
    """The 128 features before the last layer of the attribute classifier of the data."""

    def __init__(self, classifier: AttributeClassifier, images: ImageSet, device: torch.device) -> None:
        super().__init__(device)
        self.classifier = classifier
        self.name = f"classifier of {images.info.name}'s own {'attributes' if images.attributes else 'labels'}"
        self.key = f"{VERSION} {images.info.fingerprint}"

    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        return self.classifier.features(x)


class Inception(Extractor):
    """The 2,048 features of the Inception network that FID is defined by (Heusel et al. 2017, arXiv:1706.08500)."""

    name = "inception"
    key = "inception-v3-compat 2048"

    def __init__(self, device: torch.device) -> None:
        """Load torch-fidelity's network, which downloads its weights once."""
        super().__init__(device)
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import (  # pyright: ignore[reportMissingImports]
                FeatureExtractorInceptionV3,
            )
        except ImportError:
            raise ArmoireError(
                "features of inception need `pip install torch-fidelity` and a connection to download its weights; "
                "--features efficientnet-lite0 needs neither"
            ) from None
        try:
            self.network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"]).eval().to(device)
        except OSError as error:
            raise ArmoireError(
                f"inception's weights cannot be downloaded ({error}); --features efficientnet-lite0 needs no connection"
            ) from None

    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        pixels = (x.expand(-1, 3, -1, -1) * 255).round().to(torch.uint8)  # the network scales them itself
        return self.network(pixels)[0]


def named_features(names: str) -> list[str]:
    """The extractors in a list with commas; ArmoireError where one does not exist."""
    chosen = [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in EXTRACTORS:
            raise ArmoireError(f"--features: no features '{name}'; {did_you_mean(name, EXTRACTORS)}")
    return list(dict.fromkeys(chosen))


def make_extractor(name: str, images: ImageSet | None, device: torch.device, progress: Progress = SILENT) -> Extractor:
    """An extractor by its name; `images` is the data set whose training images a classifier is trained on."""
    makers = {"efficientnet-lite0": EfficientNetLite0, "dinov2-focus": DinoV2Focus, "inception": Inception}
    if name in makers:
        return makers[name](device)
    named_features(name)
    if images is None:
        raise ArmoireError(
            "--features classifier needs training images with labels or attributes; "
            "--features efficientnet-lite0 needs none"
        )
    return Classifier(load_attribute_classifier(images, device, progress), images, device)
