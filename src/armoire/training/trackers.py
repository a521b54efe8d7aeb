"""One short class for each tracker that `armoire.training.tracking` knows; their packages are imported at the start."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import numpy as np
from PIL import Image

from armoire.training.tracking import Epoch, Story, Tracker
from armoire.training.wandb_log import steps_told

PROJECT = "armoire"
BINS = 64
SECONDS_TO_START, SECONDS_TO_FINISH = 30, 60  # what a network may take of a training's time, at most


class TensorBoard:
    """TensorBoard's event files, in the run's folder."""

    def start(self, story: Story) -> int:
        """Open a file of events; what an earlier one holds past what is known counts as never told."""
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        self.writer = SummaryWriter(str(story.folder), purge_step=story.epochs + 1 if story.epochs else 0)
        if not story.epochs:
            # Not `add_hparams`, which writes them into a run of their own.
            plain = {key: _plain(value) for key, value in story.settings.items() if value is not None}
            for summary in hparams(plain, {})[:2]:
                self.writer.file_writer.add_summary(summary, 0)  # pyright: ignore[reportOptionalMemberAccess]
        self.writer.flush()
        return story.epochs

    def epoch(self, epoch: Epoch) -> None:
        """Write curves, picture and histograms, through to the disk."""
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
        """Close the file."""
        self.writer.close()


class Trackio:
    """trackio, by default a database on this machine."""

    def start(self, story: Story) -> int:
        """Open the run of this id; what was lost of it with a killed process is told again."""
        self.trackio: Any = import_module("trackio")
        name = f"{story.run.name}-{story.id}"
        run = self.trackio.init(PROJECT, name, config=story.settings, resume="allow", embed=False)
        # Its own count: it keeps half a second of what it is told in memory only.
        following = getattr(run, "_next_step", None)
        return story.epochs if following is None else max(0, following - 1)

    def epoch(self, epoch: Epoch) -> None:
        """Log everything as one step."""
        values: dict[str, Any] = dict(epoch.scalars)
        for name, found in epoch.histograms.items():
            values[name] = self.trackio.Histogram(found, num_bins=BINS)
        if epoch.preview:
            values["preview"] = self.trackio.Image(str(epoch.preview))
        self.trackio.log(values, step=epoch.number)

    def close(self) -> None:
        """Wait until all is in the database."""
        self.trackio.finish()


class WandB:
    """Weights & Biases; offline, into the run's folder, where nobody is logged in."""

    def start(self, story: Story) -> int:
        """Open the run of this id, never asking for a key."""
        self.wandb: Any = import_module("wandb")
        mode = _wandb_mode(self.wandb)
        self.run = self.wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=story.run.name,
            id=story.id,
            dir=str(story.folder),
            config=story.settings,
            mode=mode,
            resume="allow" if mode == "online" else None,
            reinit="create_new",
            settings=self.wandb.Settings(
                # Its capture of what is printed would take the terminal from the progress bar.
                console="off",
                init_timeout=SECONDS_TO_START,
                finish_timeout=SECONDS_TO_FINISH,
                **_without_paths(self.wandb),
            ),
        )
        if mode == "online":
            return max(story.epochs, self.run.step - 1)
        return max(steps_told(story.folder, story.id), default=0) if mode == "offline" else story.epochs

    def epoch(self, epoch: Epoch) -> None:
        """Log everything as one step."""
        values: dict[str, Any] = dict(epoch.scalars)
        for name, found in epoch.histograms.items():
            values[name] = self.wandb.Histogram(np_histogram=np.histogram(found, BINS))
        if epoch.preview:
            values["preview"] = self.wandb.Image(str(epoch.preview))
        # Uncommitted, it would wait for the next one in memory.
        self.run.log(values, step=epoch.number, commit=True)

    def close(self) -> None:
        """Wait until all is written, or sent."""
        self.run.finish()


def _plain(value: object) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else str(value)


def _without_paths(wandb: Any) -> dict[str, bool]:
    """Settings of those that a version of W&B has, so that it sends no command line, folder or name of the machine."""
    private = ("x_disable_meta", "disable_git", "disable_code")
    return {name: True for name in private if name in wandb.Settings.model_fields}


def _wandb_mode(wandb: Any) -> str:
    """What WANDB_MODE says; without it online where a login is at hand, else offline."""
    if mode := os.environ.get("WANDB_MODE"):
        return mode
    try:
        logins = import_module("wandb.sdk.lib.wbauth")
        host = wandb.setup().settings.base_url
        known = logins.authenticate_session(host=host, source=PROJECT, prompt=False, update_session=False)
    except Exception:  # a version that keeps logins elsewhere
        return "offline"
    return "online" if known else "offline"


KINDS: dict[str, type[Tracker]] = {"tensorboard": TensorBoard, "trackio": Trackio, "wandb": WandB}
