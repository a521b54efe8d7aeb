"""The experiment trackers: TensorBoard, trackio, W&B. Their packages are imported when a training starts."""

from __future__ import annotations

import netrc
import os
from collections.abc import Mapping
from dataclasses import dataclass
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
    """What a tracker gets at the start."""

    name: str  # of the run
    folder: Path  # where in the run it may write
    settings: dict[str, Any]  # the recipe and the data's fingerprint, as plain values
    id: str  # of the run in the tracker; the same when a training is resumed
    epochs: int  # logged before


@dataclass(frozen=True)
class EpochLog:
    """What a tracker logs of an epoch."""

    number: int  # from 1, the step of all curves
    scalars: dict[str, float]  # by name, with the unit
    preview: Path | None  # a picture of images and reconstructions; None where the data may not be shown
    histograms: Mapping[str, np.ndarray]  # values by name; empty for an epoch that is logged later


class Tracker(Protocol):
    """A program that records the curves of trainings, such as TensorBoard."""

    def start(self, info: RunInfo) -> None:
        """Create the run, or resume it."""

    def log(self, epoch: EpochLog) -> None: ...

    def close(self) -> None:
        """Write or send what was logged, before the process ends."""


class TensorBoard:
    """TensorBoard's event files, in the run's folder."""

    def start(self, info: RunInfo) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        # Hides what an earlier file holds of epochs that are trained again.
        self.writer = SummaryWriter(str(info.folder), purge_step=info.epochs + 1 if info.epochs else 0)
        if not info.epochs:
            values = ((key, value) for key, value in info.settings.items() if value is not None)
            plain = {key: value if isinstance(value, bool | int | float) else str(value) for key, value in values}
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
        self.trackio.log(_media(self.trackio, epoch), step=epoch.number)

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
        self.run.log(_media(self.wandb, epoch), step=epoch.number, commit=True)

    def close(self) -> None:
        self.run.finish()


def _media(library: Any, epoch: EpochLog) -> dict[str, Any]:
    """An epoch in the objects of trackio or W&B, which have the same interface."""
    values = epoch.scalars | {
        name: library.Histogram(np_histogram=np.histogram(found, BINS)) for name, found in epoch.histograms.items()
    }
    return values | ({"preview": library.Image(str(epoch.preview))} if epoch.preview else {})


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
