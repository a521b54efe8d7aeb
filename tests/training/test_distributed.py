"""Three processes train what one would: see on_processes.py for what they run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from armoire.errors import TrainingInterruptedError
from armoire.training import Run, fit_epochs
from armoire.training.checkpointing import list_checkpoints, load_checkpoint
from armoire.training.distributed import ALONE, DistributedContext
from armoire.training.randomness import normal_like
from armoire.training.synchronised import SynchronisedBatchNorm

PROCESSES = 3
# name: (recipe, changes, training images). None of these batches can be divided by three.
JOBS = {
    "a VAE": ("fashion-vae", {"batch": 7}, 40),
    "a denoising autoencoder": ("fashion-dae", {"batch": 8}, 42),
    "a calibrated likelihood": ("images-vae", {"size": 16, "latent": 3, "norm": "none", "batch": 10}, 31),
    "a process with no rows": ("images-vae", {"size": 16, "latent": 3, "norm": "none", "batch": 2}, 9),
    "residual blocks and no rows": ("faces-vae", {"size": 16, "latent": 3, "batch": 4, "lr": 1e-3}, 17),
    "batch norm": ("images-vae", {"size": 16, "latent": 3, "blocks": "plain", "norm": "batch", "batch": 7}, 30),
    "stopped": ("images-vae", {"size": 16, "latent": 3, "norm": "none", "batch": 7}, 40),
}
STOP_AT = 8  # in the second of two epochs


def fit(tiny, discs, name: str, out: Path, **rest) -> Run:
    recipe, changes, n = JOBS[name]
    return fit_epochs(tiny(recipe, **changes), discs(n), out, device="cpu", **rest)


def objectives(run: Path) -> list[float]:
    rows = Run.open(run).history
    return [value for row in rows for key, value in row.items() if key.endswith("objective_nats")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny, discs, stops_at) -> Path:
    """A folder with what three processes trained, a folder for each job."""
    folder = tmp_path_factory.mktemp("distributed")
    jobs = [
        {"recipe": r, "changes": c, "n": n, "out": str(folder / name)}
        | {"resume": False, "stop_at": None, "track": [], "snapshots": None}
        for name, (r, c, n) in JOBS.items()
    ]
    jobs[0] |= {"track": ["tensorboard"], "snapshots": 3}
    jobs[-1]["stop_at"] = STOP_AT
    with pytest.raises(TrainingInterruptedError):
        fit(tiny, discs, "stopped", folder / "begun alone", progress=stops_at(STOP_AT))
    jobs.append(jobs[-1] | {"out": str(folder / "begun alone"), "resume": True, "stop_at": None})
    (folder / "jobs.json").write_text(json.dumps(jobs))
    torch.save(torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0)) + 5, folder / "x.pt")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(PROCESSES)),
            *(Path(__file__).with_name("on_processes.py"), folder / "jobs.json"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
    )
    assert not done.returncode, done.stdout[-8000:]
    return folder


@pytest.mark.parametrize("name", [name for name in JOBS if name not in ("stopped", "batch norm")])
def test_many_processes_train_what_one_does(tmp_path, tiny, discs, trained, name):
    alone = fit(tiny, discs, name, tmp_path / "alone")
    assert objectives(trained / name) == pytest.approx(objectives(alone.path), rel=1e-5)
    found, wanted = Run(trained / name).header, alone.header
    differing = {key for key in wanted if found.get(key) != wanted[key]}
    assert found.keys() == wanted.keys()
    assert differing <= {"sha256", "history_sha256"}  # sums in another order


def test_only_the_first_process_tracks(trained):
    tracked = trained / next(iter(JOBS)) / "tracking"
    (events,) = tracked.glob("events.out.tfevents.*")
    found = EventAccumulator(str(events)).Reload().Scalars("objective_nats/test")
    assert [event.step for event in found] == [1, 2]


def test_the_first_process_writes_snapshots(trained):
    run = Run(trained / next(iter(JOBS)))
    assert list(run.snapshots) == [4, 8, 12]
    last, model = load_file(run.snapshot(12)), load_file(run.path / "model.safetensors")
    assert all(torch.equal(last[name], t) for name, t in model.items())


def test_batch_norm_trains_as_in_one_process(tmp_path, tiny, discs, trained):
    # Biases before a batch norm have no gradient but rounding errors, which Adam makes steps of: only the averages that
    # evaluation uses lag behind them.
    alone = fit(tiny, discs, "batch norm", tmp_path / "alone")
    many = objectives(trained / "batch norm")
    assert many[::2] == pytest.approx(objectives(alone.path)[::2], rel=1e-5)
    assert many[1::2] == pytest.approx(objectives(alone.path)[1::2], rel=1e-2)


def test_batch_norm_sees_the_rows_of_all_processes(trained):
    x = torch.load(trained / "x.pt").requires_grad_()
    norm = torch.nn.BatchNorm2d(3)
    y = norm(x)
    (y**3).sum().backward()
    seen = [torch.load(trained / f"seen-{rank}.pt") for rank in range(PROCESSES)]
    torch.testing.assert_close(torch.cat([part[0] for part in seen]), y.detach())
    torch.testing.assert_close(torch.cat([part[1] for part in seen]), x.grad, rtol=1e-4, atol=1e-5)
    for _, _, mean, variance in seen:
        torch.testing.assert_close(mean, norm.running_mean)
        torch.testing.assert_close(variance, norm.running_var)


@pytest.mark.skipif(sys.platform != "linux", reason="names of threads are read from /proc")
def test_the_threads_of_the_group_that_is_used_last_end_with_the_training(trained):
    for rank in range(PROCESSES):
        names = json.loads((trained / f"threads-{rank}.json").read_text())
        assert names and names.count("pt_gloo_runloop") <= 2  # those of DistributedDataParallel's group


def test_one_process_resumes_where_three_stopped(tmp_path, tiny, discs, trained):
    newest = load_checkpoint(list_checkpoints(trained / "stopped" / "checkpoints")[-1])
    assert newest.step == STOP_AT
    assert newest.tensors["sums"][3] == 2 * 7  # the images of the epoch so far, of all three
    resumed = fit(tiny, discs, "stopped", trained / "stopped", resume=True)
    alone = fit(tiny, discs, "stopped", tmp_path / "alone")
    assert objectives(resumed.path) == pytest.approx(objectives(alone.path), rel=1e-5)


def test_three_processes_resume_where_one_stopped(tmp_path, tiny, discs, trained):
    alone = fit(tiny, discs, "stopped", tmp_path / "alone")
    assert objectives(trained / "begun alone") == pytest.approx(objectives(alone.path), rel=1e-5)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 100])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_shares_cover_a_batch_once_and_evenly(n, size):
    rows = [list(range(n))[DistributedContext(rank, size).share(n)] for rank in range(size)]
    assert [i for part in rows for i in part] == list(range(n))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1


@pytest.mark.parametrize(
    "x",
    [torch.zeros(7, 2), torch.zeros(7, 1), torch.zeros(7, 3, 4, 4), torch.zeros(7, 4, 4, 3).permute(0, 3, 1, 2)],
    ids=lambda x: f"{tuple(x.shape)}, strides {x.stride()}",
)
def test_a_share_of_the_rows_gets_the_rows_of_the_whole_draw(x):
    whole = normal_like(x, torch.Generator().manual_seed(3))
    for rank in range(4):
        rows = DistributedContext(rank, 4).share(7)
        part = normal_like(x[rows], torch.Generator().manual_seed(3), rows, 7)
        assert torch.equal(part, whole[rows])
    assert normal_like(x[:0], torch.Generator(), slice(0, 0), 7).shape == x[:0].shape


@pytest.mark.parametrize("shape", [(6, 3, 4, 4), (6, 3)])
def test_a_synchronised_batch_norm_alone_is_batch_norm(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + 5
    norm = torch.nn.BatchNorm2d(3) if len(shape) == 4 else torch.nn.BatchNorm1d(3)
    ours = SynchronisedBatchNorm(norm.__class__(3), ALONE)
    torch.testing.assert_close(ours(x), norm(x))
    assert list(ours.state_dict()) == list(norm.state_dict())
    for (_, a), (_, b) in zip(ours.named_buffers(), norm.named_buffers(), strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(ours.eval()(x), norm.eval()(x))
