"""Trackers follow a training from outside: what they are told, and that none of them can stop or change it.

The history in history.csv needs none of them. RUN/tracking/ holds what they write into the run, and `state.json` in it
says which epochs each of them has, so that a resumed training goes on in the same place and tells each epoch once.
"""

from __future__ import annotations

import contextlib
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from armoire.errors import ArmoireError, did_you_mean, first_line
from armoire.extras import missing_extra
from armoire.io.files import make_folder, read_checksummed, write_checksummed
from armoire.training.run import TRACKING, Run

TRACKERS = ("tensorboard", "trackio", "wandb")  # each is a package, and the extra that installs it


@dataclass(frozen=True)
class Story:
    """What a tracker is told once, at the start.

    Attributes:
        run: the run's folder.
        settings: the recipe and the data's fingerprint, as plain values.
        id: of the run among all others; the same when it goes on.
        epochs: how many epochs the tracker was told before, by what the run knows.
    """

    run: Run
    settings: dict[str, Any]
    id: str
    epochs: int

    @property
    def folder(self) -> Path:
        """Where in the run it may write."""
        return self.run.path / TRACKING


@dataclass(frozen=True)
class Epoch:
    """What a tracker is told of each epoch.

    Attributes:
        number: from 1; the step of all curves.
        scalars: what was measured, by name, with its unit.
        preview: a picture of images and reconstructions, None where none may be shown.
        histograms: values by name; none of an epoch that is told later.
    """

    number: int
    scalars: dict[str, float]
    preview: Path | None = None
    histograms: Mapping[str, np.ndarray] = field(default_factory=dict)


class Tracker(Protocol):
    """A program that shows trainings."""

    def start(self, story: Story) -> int:
        """Open the run, or go on with it; returns how many epochs it has, where it knows better than the run."""
        ...

    def epoch(self, epoch: Epoch) -> None:
        """Take what an epoch gave."""
        ...

    def close(self) -> None:
        """Let go of the run, all written."""
        ...


def tracker_names(track: str | Sequence[str] | None) -> list[str]:
    """The trackers asked for, each once.

    Raises:
        ArmoireError: there is none of that name, or it is not installed.
    """
    names = list(dict.fromkeys([track] if isinstance(track, str) else track or ()))
    for name in names:
        if name not in TRACKERS:
            raise ArmoireError(f"no tracker '{name}'; {did_you_mean(name, TRACKERS)}")
        if find_spec(name) is None:
            raise missing_extra(f"--track {name}", name)
    return names


def scalars(row: Mapping[str, float]) -> dict[str, float]:
    """A row of the history as curves: `train_rate_nats` as `rate_nats/train`, so that both splits share a chart."""
    found = {}
    for column, value in row.items():
        split, _, rest = column.partition("_")
        found[f"{rest}/{split}" if split in ("train", "valid", "test") else column] = value
    del found["epoch"]
    # W&B and trackio have a `step` of their own.
    found["optimizer_steps"] = found.pop("step")
    return found


class Tracking:
    """The trackers of one training; what goes wrong with one is told once, and it is left alone from then on."""

    def __init__(self, names: Sequence[str], run: Run, may_show: bool, note: Callable[[str], None]) -> None:
        """
        Args:
            names: as `tracker_names` gives them.
            run: the run.
            may_show: whether pictures of the data may be shown.
            note: says a line.
        """
        self._names, self._run, self._may_show, self._note = names, run, may_show, note
        self._trackers: dict[str, Tracker] = {}
        self._state: dict[str, dict[str, Any]] = {}

    @contextlib.contextmanager
    def following(
        self, settings: dict[str, Any], history: Sequence[Mapping[str, float]], resume: bool
    ) -> Iterator[None]:
        """Follow a training as long as a block runs.

        Args:
            settings: what is worth knowing of it, as plain values.
            history: what was measured before, of which the trackers are told what they miss.
            resume: whether to go on where they were told before.
        """
        if self._names:
            self._state = self._kept() if resume else {}
        for name in self._names:
            with self._at_its_own_risk(name):
                self._start(name, settings, history)
        try:
            yield
        finally:
            for name in list(self._trackers):
                with self._at_its_own_risk(name):
                    self._trackers[name].close()

    def epoch(
        self, row: Mapping[str, float], preview: Path, histograms: Callable[[], Mapping[str, np.ndarray]]
    ) -> None:
        """Tell all of an epoch; the histograms are made where somebody wants them."""
        if not self._trackers:
            return
        found = None
        for name in list(self._trackers):
            with self._at_its_own_risk(name):
                found = histograms() if found is None else found
                self._tell(name, row, preview, found)

    def _start(self, name: str, settings: dict[str, Any], history: Sequence[Mapping[str, float]]) -> None:
        from armoire.training.trackers import KINDS

        state = self._state.setdefault(name, {"id": uuid.uuid4().hex[:8], "epochs": 0})
        story = Story(self._run, settings, **state)
        make_folder(story.folder)
        self._write_state()
        self._trackers[name] = KINDS[name]()
        state["epochs"] = self._trackers[name].start(story)
        for row in history:
            self._tell(name, row, self._run.preview(int(row["epoch"])), {})

    def _tell(self, name: str, row: Mapping[str, float], preview: Path, histograms: Mapping[str, np.ndarray]) -> None:
        number = int(row["epoch"])
        if number <= self._state[name]["epochs"]:
            return
        shown = preview if self._may_show and preview.is_file() else None
        self._trackers[name].epoch(Epoch(number, scalars(row), shown, histograms))
        self._state[name]["epochs"] = number
        self._write_state()

    def _write_state(self) -> None:
        write_checksummed(self._run.path / TRACKING / "state.json", self._state)

    def _kept(self) -> dict[str, dict[str, Any]]:
        try:
            found = read_checksummed(self._run.path / TRACKING / "state.json")
            return {str(name): {"id": str(s["id"]), "epochs": int(s["epochs"])} for name, s in found.items()}
        except (OSError, ValueError, TypeError, KeyError):
            return {}

    @contextlib.contextmanager
    def _at_its_own_risk(self, name: str) -> Iterator[None]:
        """A tracker's errors end it, and nothing else; what it prints is no result."""
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        except Exception as error:  # whatever other people's code, disks and networks come up with
            self._trackers.pop(name, None)
            self._note(f"{name} failed ({first_line(error)}); the training goes on without it")
