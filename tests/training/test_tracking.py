"""Trackers log what the history holds, each epoch once, and cannot stop or change a training."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import armoire
from armoire.errors import ArmoireError, TrainingInterruptedError
from armoire.images.sources.celeba import may_be_shown
from armoire.training import Run, fit_epochs, tracking
from armoire.training.run import TIMES
from armoire.training.trackers import KINDS, EpochLog, RunInfo, _wandb_mode
from armoire.training.tracking import scalars, tracker_names


class Listener:
    """A tracker that remembers what was logged, by the id of the run."""

    def __init__(self) -> None:
        self.logged: dict[str, list[EpochLog]] = {}
        self.infos: list[RunInfo] = []
        self.closed = 0

    def __call__(self) -> Listener:
        return self

    def start(self, info: RunInfo) -> None:
        self.mine = self.logged.setdefault(info.id, [])
        self.infos.append(info)

    def log(self, epoch: EpochLog) -> None:
        self.mine.append(epoch)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def listener(monkeypatch) -> Listener:
    """A tracker in place of TensorBoard."""
    listener = Listener()
    monkeypatch.setitem(KINDS, "tensorboard", listener)
    return listener


class Killed(BaseException):
    """Ends the process at once; no tracker's error."""


def killed(*_: object) -> None:
    raise Killed


def fit(recipe, images, out, track="tensorboard", **rest) -> Run:
    return fit_epochs(recipe, images, out, device="cpu", track=track, **rest)


def stop(recipe, images, out, recorder, track="tensorboard") -> None:
    with pytest.raises(TrainingInterruptedError):
        fit(recipe, images, out, track, progress=recorder)


def bits(run: Run) -> tuple[object, dict[str, bytes]]:
    rows = [{key: value for key, value in row.items() if key not in TIMES} for row in Run.open(run.path).history]
    return rows, {name: t.numpy().tobytes() for name, t in run.model().state_dict().items()}


def drawn_by(make: Callable[[], Run]) -> tuple[Run, list[object]]:
    """A run, and the states in which it leaves the global generators."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    run = make()
    return run, [torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()]  # noqa: NPY002


def events(run: Path) -> EventAccumulator:
    sizes = dict.fromkeys(("scalars", "images", "histograms", "tensors"), 0)  # keep all
    return EventAccumulator(str(run / "tracking"), size_guidance=sizes).Reload()


def steps(run: Path, tag: str = "objective_nats/test") -> list[int]:
    return [event.step for event in events(run).Scalars(tag)]


def test_each_epoch_is_logged_once_with_all_that_was_measured(tmp_path, tiny, discs, listener):
    run = fit(tiny(data="/home/me/discs"), discs(), tmp_path / "run")
    ((logged,), rows) = listener.logged.values(), Run.open(run.path).history
    assert [epoch.number for epoch in logged] == [1, 2]
    nats = {f"{name}_nats/{split}" for name in ("distortion", "rate", "objective") for split in ("train", "test")}
    rest = {"published_total_loss/train", "published_total_loss/test", "learning_rate", "images_per_second"}
    for epoch, row in zip(logged, rows, strict=True):
        assert epoch.scalars == pytest.approx(scalars(row))
        assert nats | rest | {"optimizer_steps"} <= epoch.scalars.keys()
        assert epoch.preview == run.path / "previews" / f"step-{5 * epoch.number:06d}.png"
        assert epoch.histograms["latents/mean"].shape == (10 * 2,)
        assert epoch.histograms["latents/log_var"].shape == (10 * 2,)
    weights = dict(run.model().named_parameters())["head.mean.weight"].detach().numpy().ravel()
    np.testing.assert_array_equal(logged[-1].histograms["weights/head.mean.weight"], weights)
    (info,) = listener.infos
    # Without any path of this machine.
    assert info.settings == tiny(data="discs").model_dump(mode="json") | {"data_fingerprint": discs().info.fingerprint}
    assert listener.closed == 1


@pytest.mark.parametrize(
    ("at", "error"),
    [
        ("__init__", ImportError("a shared library is missing")),
        ("start", RuntimeError("network gone\nfor ever")),
        ("log", OSError(28, "No space left on device")),
        ("close", MemoryError()),
    ],
)
def test_one_that_fails_is_reported_once_and_the_training_is_the_same(
    tmp_path, tiny, discs, listener, monkeypatch, recorder, vae_run, at, error
):
    class Failing(Listener):
        pass

    def fail(*_: object) -> None:
        raise error

    setattr(Failing, at, fail)
    monkeypatch.setitem(KINDS, "wandb", Failing)
    monkeypatch.setattr(tracking, "find_spec", lambda name: name)
    run = fit(tiny(), discs(), tmp_path / "run", ("wandb", "tensorboard"), progress=recorder)
    (note,) = [note for note in recorder.notes if "failed" in note]
    reason = (str(error).splitlines() or ["MemoryError"])[0]
    assert note == f"wandb failed ({reason}); the training continues without it"
    assert bits(run) == bits(vae_run.run)
    others = listener.logged[listener.infos[-1].id]
    assert [epoch.number for epoch in others] == [1, 2]


@pytest.mark.parametrize(("at", "damaged"), [(2, False), (5, False), (7, False), (7, True)])
def test_a_resumed_training_continues_its_tracker_run(tmp_path, tiny, discs, listener, stops_at, at, damaged):
    stop(tiny(), discs(), tmp_path / "run", stops_at(at))
    assert listener.closed == 1
    if damaged:
        (tmp_path / "run" / "tracking" / "state.json").write_text("{")
    fit(tiny(), discs(), tmp_path / "run", resume=True)
    numbers = [[epoch.number for epoch in logged] for logged in listener.logged.values()]
    assert numbers == ([[1], [1, 2]] if damaged else [[1, 2]])


@pytest.mark.parametrize(
    "where", ["armoire.training.run_writer.save_checkpoint", "armoire.training.tracking.write_checksummed"]
)
def test_killed_between_logging_and_saving(tmp_path, tiny, discs, monkeypatch, vae_run, where):
    """The epoch is trained again; what TensorBoard holds of the first time is dropped."""
    module, _, name = where.rpartition(".")
    whole = getattr(sys.modules[module], name)

    def write(path: Path, content: object, *rest: object) -> object:
        epochs = content["tensorboard"]["epochs"] if isinstance(content, dict) else len(content.facts["history"])  # type: ignore[attr-defined]
        return killed() if epochs == 2 else whole(path, content, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(where, write)
        with pytest.raises(Killed):
            fit(tiny(), discs(), tmp_path / "run")
    assert steps(tmp_path / "run") == [1, 2]
    run = fit(tiny(), discs(), tmp_path / "run", resume=True)
    assert steps(run.path) == [1, 2]
    assert bits(run) == bits(vae_run.run)


def test_a_tracker_that_is_added_later_gets_the_epochs_before(tmp_path, tiny, discs, listener, stops_at):
    stop(tiny(), discs(), tmp_path / "run", stops_at(7), track=())
    run = fit(tiny(), discs(), tmp_path / "run", resume=True)
    (logged,) = listener.logged.values()
    assert [epoch.number for epoch in logged] == [1, 2]
    assert [epoch.preview and epoch.preview.name for epoch in logged] == ["step-000005.png", "step-000010.png"]
    assert [bool(epoch.histograms) for epoch in logged] == [False, True]
    assert logged[0].scalars == pytest.approx(scalars(Run.open(run.path).history[0]))


def test_killed_before_anything_was_saved_it_may_begin_anew(tmp_path, tiny, discs, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("armoire.training.run_writer.save_preview", killed)
        fit(tiny(), discs(), tmp_path / "run")
    assert steps(fit(tiny(), discs(), tmp_path / "run").path) == [1, 2]


@pytest.mark.parametrize(("showable", "source"), [(True, "celeba:somewhere.zip"), (False, "")])
def test_previews_of_data_that_may_not_be_shown_are_not_logged(tmp_path, tiny, discs, listener, showable, source):
    images = discs()
    images = replace(images, info=replace(images.info, source=source))
    fit(tiny(showable=showable), images, tmp_path / "run")
    (logged,) = listener.logged.values()
    assert [epoch.preview for epoch in logged] == [None, None]
    assert logged[0].histograms


@pytest.mark.parametrize(
    ("name", "source", "may"),
    [
        ("fashion-mnist", "fashion-mnist", True),
        ("celeba", "celeba:/data/archive.zip", False),
        ("img_align_celeba", "/data/img_align_celeba", False),
        ("celeba", "/data/CelebA.zip", False),
    ],
)
def test_what_may_be_shown(discs, name, source, may):
    assert may_be_shown(replace(discs(n=2).info, name=name, source=source)) is may


@pytest.mark.parametrize("name", sorted(KINDS))
def test_one_that_is_not_installed_is_an_error_before_anything_is_read(tmp_path, monkeypatch, name):
    monkeypatch.setattr(tracking, "find_spec", lambda package: None)
    words = rf'^--track {name} needs armoire\[{name}\]; .*: pip install .*("{name}|{name}$)'
    with pytest.raises(ArmoireError, match=words):
        armoire.train("fashion-vae", tmp_path / "no such data", tmp_path / "run", track=name)
    assert not (tmp_path / "run").exists()


def test_names(monkeypatch):
    assert set(KINDS) == {"tensorboard", "trackio", "wandb"}
    monkeypatch.setattr(tracking, "find_spec", lambda name: name)
    assert tracker_names(None) == tracker_names(()) == []
    assert tracker_names("wandb") == ["wandb"]
    assert tracker_names(["wandb", "trackio", "wandb"]) == ["wandb", "trackio"]
    with pytest.raises(ArmoireError, match="no tracker 'tensorbord'; did you mean 'tensorboard'"):
        tracker_names("tensorbord")


def test_tensorboard_reads_all_of_it(tmp_path, tiny, discs):
    run = fit(tiny(), discs(), tmp_path / "run")
    found, rows = events(run.path), Run.open(run.path).history
    wanted = [scalars(row) for row in rows]
    assert set(found.Tags()["scalars"]) == wanted[0].keys()
    for name in wanted[0]:
        assert [(e.step, e.value) for e in found.Scalars(name)] == [
            (k, pytest.approx(row[name], rel=1e-6)) for k, row in enumerate(wanted, 1)
        ]
    pictures = found.Images("preview")
    assert [picture.step for picture in pictures] == [1, 2]
    assert pictures[0].encoded_image_string.startswith(b"\x89PNG")
    assert (pictures[0].width, pictures[0].height) == (10 * 64 + 9 * 8, 3 * 64 + 2 * 8)
    latents = found.Histograms("latents/log_var")
    assert [(h.step, h.histogram_value.num) for h in latents] == [(1, 20), (2, 20)]
    assert found.summary_metadata["_hparams_/session_start_info"].plugin_data.content.count(b"fashion-vae") == 1


def test_tensorboard_draws_nothing_and_changes_no_bit(tmp_path, tiny, discs):
    recipe, images = tiny("fashion-ae", norm="batch"), discs()
    run, left = drawn_by(lambda: fit(recipe, images, tmp_path / "run"))
    without, left_without = drawn_by(lambda: fit(recipe, images, tmp_path / "without", track=()))
    assert bits(run) == bits(without)
    assert left == left_without
    assert not (without.path / "tracking").exists()
    assert (run.path / "recipe.toml").read_bytes() == (without.path / "recipe.toml").read_bytes()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_disk_that_fills_up_under_tensorboard(tmp_path, tiny, discs, recorder, monkeypatch):
    """Its writer works in a thread of its own, and reports it only later."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    def write(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RecordWriter, "write", write)
    run = fit(tiny(), discs(), tmp_path / "run", progress=recorder)
    assert sum("tensorboard failed ([Errno 28] No space left" in note for note in recorder.notes) == 1
    assert len(Run.open(run.path).history) == 2


class FakeTrackio(types.ModuleType):
    """trackio 0.43 as far as we use it. It cannot be installed next to Pillow 13, which it does not allow yet."""

    def __init__(self) -> None:
        super().__init__("trackio")
        self.__spec__ = ModuleSpec("trackio", None)
        self.runs: dict[str, dict[int, dict[str, object]]] = {}

    def init(self, project, name, config, resume, embed) -> None:
        assert (project, config["name"], resume, embed) == ("armoire", "fashion-vae", "allow", False)
        self.current = self.runs.setdefault(name, {})
        sys.stdout.write("* Trackio project initialized: armoire\n")

    def log(self, metrics, step) -> None:
        assert step not in self.current
        self.current[step] = metrics

    def finish(self) -> None:
        sys.stdout.write("* Run finished.\n")

    def Histogram(self, np_histogram) -> None:  # noqa: N802
        assert len(np_histogram) == 2

    def Image(self, value) -> None:  # noqa: N802
        assert Path(value).is_file()


def test_trackio_resumes_its_run(tmp_path, tiny, discs, monkeypatch, stops_at, recorder, capsys):
    monkeypatch.setitem(sys.modules, "trackio", trackio := FakeTrackio())
    stop(tiny(), discs(), tmp_path / "run", stops_at(7), "trackio")
    fit(tiny(), discs(), tmp_path / "run", track="trackio", resume=True, progress=recorder)
    assert not any("failed" in note for note in recorder.notes)
    ((name, found),) = trackio.runs.items()
    assert name.startswith("run-")
    assert list(found) == [1, 2]
    assert all({"rate_nats/train", "preview", "latents/mean"} <= values.keys() for values in found.values())
    assert capsys.readouterr().out == ""  # stdout is for results


@pytest.fixture
def offline(monkeypatch, tmp_path) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_PROJECT", "WANDB_DIR", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": tmp_path, "NETRC": tmp_path / "netrc", "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, str(value))


def test_wandb_without_a_login_is_offline(tmp_path, tiny, discs, offline, stops_at, recorder):
    pytest.importorskip("wandb")
    stop(tiny(), discs(), tmp_path / "run", stops_at(7), "wandb")
    run = fit(tiny(), discs(), tmp_path / "run", track="wandb", resume=True, progress=recorder)
    assert not any("failed" in note for note in recorder.notes)
    logs = list(run.path.glob("tracking/wandb/offline-run-*/*.wandb"))
    assert len(logs) == 2
    assert len({path.name for path in logs}) == 1  # the same id
    for path in logs:
        assert not any(os.fsencode(place) in path.read_bytes() for place in (tmp_path, sys.prefix))


def test_wandb_is_online_with_a_login_or_by_its_mode(offline, monkeypatch, tmp_path):
    assert _wandb_mode() == "offline"
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password key\n")
    assert _wandb_mode() == "online"
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example:8080")
    assert _wandb_mode() == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "key")
    assert _wandb_mode() == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert _wandb_mode() == "disabled"
