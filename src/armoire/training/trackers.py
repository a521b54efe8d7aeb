"""The experiment trackers: TensorBoard, trackio, W&B. Their packages are imported when a training starts."""

from __future__ import annotations

import netrc
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

PROJECT = "armoire"
BINS = 64
SECONDS_TO_START, SECONDS_TO_FINISH = 30, 60  # at most, for W&B's network


@dataclass(frozen=True)
class RunInfo:
    """What a tracker gets at the start.

    Attributes:
        name: of the run.
        folder: where in the run it may write.
        settings: the recipe and the data's fingerprint, as plain values.
        id: of the run in the tracker; the same when a training is resumed.
        epochs: number of epochs logged before.
    """

    name: str
    folder: Path
    settings: dict[str, Any]
    id: str
    epochs: int


@dataclass(frozen=True)
class EpochLog:
    """What a tracker logs of an epoch, whose number (from 1) is the step of all curves.

    Attributes:
        number: of the epoch.
        scalars: by name, with the unit.
        preview: a picture of images and reconstructions; None where the data may not be shown.
        histograms: values by name; empty for an epoch that is logged later.
    """

    number: int
    scalars: dict[str, float]
    preview: Path | None = None
    histograms: Mapping[str, np.ndarray] = field(default_factory=dict)


class Tracker(Protocol):
    """An experiment tracker."""

    def start(self, info: RunInfo) -> None:
        """Create the run, or resume it."""
        ...

    def log(self, epoch: EpochLog) -> None:
        """Log an epoch."""
        ...

    def close(self) -> None:
        """Write or send everything."""
        ...


class TensorBoard:
    """TensorBoard's event files, in the run's folder."""

    def start(self, info: RunInfo) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        # Hides what an earlier file holds of epochs that are trained again.
        self.writer = SummaryWriter(str(info.folder), purge_step=info.epochs + 1 if info.epochs else 0)
        if not info.epochs:
            plain = {key: _plain(value) for key, value in info.settings.items() if value is not None}
            # Not `add_hparams`, which writes them into a run of their own.
            for summary in hparams(plain, {})[:2]:
                self.writer.file_writer.add_summary(summary, 0)  # pyright: ignore[reportOptionalMemberAccess]
        self.writer.flush()

    def log(self, epoch: EpochLog) -> None:
        for name, value in epoch.scalars.items():
            self.writer.add_scalar(name, value, epoch.number)
        for name, values in epoch.histograms.items():
            self.writer.add_histogram(name, values, epoch.number, bins=BINS)  # pyright: ignore[reportArgumentType]
        if epoch.preview:
            with Image.open(epoch.preview) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            self.writer.add_image("preview", pixels, epoch.number, dataformats="HWC")
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()


class Trackio:
    """trackio, by default a database on this machine."""

    def start(self, info: RunInfo) -> None:
        self.trackio: Any = import_module("trackio")
        self.trackio.init(PROJECT, f"{info.name}-{info.id}", config=info.settings, resume="allow", embed=False)

    def log(self, epoch: EpochLog) -> None:
        values: dict[str, Any] = dict(epoch.scalars)
        for name, found in epoch.histograms.items():
            values[name] = self.trackio.Histogram(found, num_bins=BINS)
        if epoch.preview:
            values["preview"] = self.trackio.Image(str(epoch.preview))
        self.trackio.log(values, step=epoch.number)

    def close(self) -> None:
        self.trackio.finish()


class WandB:
    """Weights & Biases; offline, into the run's folder, unless WANDB_MODE or a login says otherwise."""

    def start(self, info: RunInfo) -> None:
        self.wandb: Any = import_module("wandb")
        mode = _wandb_mode()
        self.run = self.wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=info.name,
            id=info.id,
            dir=str(info.folder),
            config=info.settings,
            mode=mode,
            resume="allow" if mode == "online" else None,
            reinit="create_new",
            settings=self.wandb.Settings(
                console="off",  # it would capture the progress bar
                init_timeout=SECONDS_TO_START,
                finish_timeout=SECONDS_TO_FINISH,
                **_without_paths(self.wandb),
            ),
        )

    def log(self, epoch: EpochLog) -> None:
        values: dict[str, Any] = dict(epoch.scalars)
        for name, found in epoch.histograms.items():
            values[name] = self.wandb.Histogram(np_histogram=np.histogram(found, BINS))
        if epoch.preview:
            values["preview"] = self.wandb.Image(str(epoch.preview))
        self.run.log(values, step=epoch.number, commit=True)

    def close(self) -> None:
        self.run.finish()


def _plain(value: object) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else str(value)


def _without_paths(wandb: Any) -> dict[str, bool]:
    """The settings, of those that a version of W&B has, that keep command line, folder and host name private."""
    private = ("x_disable_meta", "disable_git", "disable_code")
    return {name: True for name in private if name in wandb.Settings.model_fields}


def _wandb_mode() -> str:
    """$WANDB_MODE; else online with WANDB_API_KEY or a login in netrc, so that W&B never asks for a key."""
    if mode := os.environ.get("WANDB_MODE"):
        return mode
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        login = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        login = None
    return "online" if login or os.environ.get("WANDB_API_KEY") else "offline"


KINDS: dict[str, type[Tracker]] = {"tensorboard": TensorBoard, "trackio": Trackio, "wandb": WandB}
