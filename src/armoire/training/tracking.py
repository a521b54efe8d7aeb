"""Log a training to experiment trackers; they cannot stop or change it.

history.csv needs none of them. RUN/tracking/ holds what they write into the run, and its `state.json` the run's id in
each tracker and how many rows of the history were logged to it, so that a resumed training continues there.
"""

from __future__ import annotations

import contextlib
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from armoire.errors import ArmoireError, did_you_mean, first_line
from armoire.extras import missing_extra
from armoire.io.files import make_folder, read_checksummed, write_checksummed
from armoire.training.run import TRACKING, Run
from armoire.training.trackers import KINDS, EpochLog, RunInfo, Tracker


def tracker_names(track: str | Sequence[str] | None) -> list[str]:
    """The trackers asked for, each once; an ArmoireError where one is unknown or not installed."""
    names = list(dict.fromkeys([track] if isinstance(track, str) else track or ()))
    for name in names:
        if name not in KINDS:
            raise ArmoireError(f"no tracker '{name}'; {did_you_mean(name, KINDS)}")
        if find_spec(name) is None:  # a tracker's package, and the extra that installs it, have its name
            raise missing_extra(f"--track {name}", name)
    return names


def scalars(row: Mapping[str, float]) -> dict[str, float]:
    """A row of the history as curves: `train_rate_nats` as `rate_nats/train`, so that splits share a chart."""
    found = {}
    for column, value in row.items():
        split, _, rest = column.partition("_")
        found[f"{rest}/{split}" if split in ("train", "validation", "valid", "test") else column] = value
    del found["epoch"]
    # W&B and trackio have a `step` of their own.
    found["optimizer_steps"] = found.pop("step")
    return found


class Tracking:
    """The trackers of one training; one that fails is reported once, and not called again."""

    def __init__(self, names: Sequence[str], run: Run, may_show: bool, note: Callable[[str], None]) -> None:
        """`names` are from `tracker_names`; `may_show`: whether pictures of the data may be shown; `note` reports."""
        self._names, self._run, self._may_show, self._note = names, run, may_show, note
        self._trackers: dict[str, Tracker] = {}
        self._state: dict[str, dict[str, Any]] = {}

    @contextlib.contextmanager
    def following(
        self, settings: dict[str, Any], history: Sequence[Mapping[str, float]], resume: bool
    ) -> Iterator[None]:
        """Open the trackers for a training, to continue their runs if it is resumed; they get the rows they lack."""
        if self._names:
            self._state = self._read_state() if resume else {}
        for name in self._names:
            with self._failing_alone(name):
                self._start(name, settings, history)
        try:
            yield
        finally:
            for name in list(self._trackers):
                with self._failing_alone(name):
                    self._trackers[name].close()

    def row(
        self,
        number: int,
        row: Mapping[str, float],
        preview: Path,
        histograms: Callable[[], Mapping[str, np.ndarray]],
    ) -> None:
        """Log a row of the history, numbered from 1, to every tracker; the histograms are computed if there is one."""
        found = None
        for name in list(self._trackers):
            with self._failing_alone(name):
                found = histograms() if found is None else found
                self._log(name, number, row, preview, found)

    def _start(self, name: str, settings: dict[str, Any], history: Sequence[Mapping[str, float]]) -> None:
        state = self._state.setdefault(name, {"id": uuid.uuid4().hex[:8], "epochs": 0})
        info = RunInfo(self._run.name, make_folder(self._run.path / TRACKING), settings, **state)
        self._write_state()
        self._trackers[name] = KINDS[name]()
        self._trackers[name].start(info)
        for number, row in enumerate(history, start=1):
            self._log(name, number, row, self._run.preview(int(row["step"])), {})

    def _log(
        self, name: str, number: int, row: Mapping[str, float], preview: Path, histograms: Mapping[str, np.ndarray]
    ) -> None:
        if number > self._state[name]["epochs"]:
            picture = preview if self._may_show and preview.is_file() else None
            self._trackers[name].log(EpochLog(number, scalars(row), picture, histograms))
            self._state[name]["epochs"] = number
            self._write_state()

    def _write_state(self) -> None:
        write_checksummed(self._run.path / TRACKING / "state.json", self._state)

    def _read_state(self) -> dict[str, dict[str, Any]]:
        try:
            found = read_checksummed(self._run.path / TRACKING / "state.json")
            return {str(name): {"id": str(s["id"]), "epochs": int(s["epochs"])} for name, s in found.items()}
        except (OSError, ValueError, TypeError, KeyError):
            return {}

    @contextlib.contextmanager
    def _failing_alone(self, name: str) -> Iterator[None]:
        """Any exception ends this tracker only; what it prints goes to stderr."""
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        except Exception as error:  # other people's code, disks and networks
            self._trackers.pop(name, None)
            self._note(f"{name} failed ({first_line(error)}); the training continues without it")
