"""What torchrun runs for test_distributed.py: the trainings that a JSON file lists, one after the other."""

from __future__ import annotations

import atexit
import json
import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import TINY, Recorder, make_set

from armoire import TrainingInterruptedError, load_recipe
from armoire.training import fit_epochs
from armoire.training.distributed import join
from armoire.training.synchronised import SynchronisedBatchNorm


def threads_at_exit(out: Path) -> None:
    """Save the names of the threads that this process ends with."""
    names = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
    (out / f"threads-{os.environ['RANK']}.json").write_text(json.dumps(names))


def statistics(out: Path) -> None:
    """Save what batch norm makes of this process's rows, its gradients, and its buffers."""
    distributed = join(torch.device("cpu"))
    x, seen = torch.load(out / "x.pt"), []
    norm = SynchronisedBatchNorm(torch.nn.BatchNorm2d(x.shape[1]), distributed)
    rows = x[distributed.share(len(x))].requires_grad_()
    y = norm(rows)
    (y**3).sum().backward()
    assert rows.grad is not None
    seen = [y.detach(), rows.grad, norm.running_mean, norm.running_var]
    torch.save(seen, out / f"seen-{distributed.rank}.pt")


def main(jobs: Path) -> None:
    for job in json.loads(jobs.read_text()):
        recipe = load_recipe(job["recipe"]).change(**TINY | job["changes"])
        try:
            options = {name: job[name] for name in ("resume", "track", "snapshots")}
            progress = Recorder(job["stop_at"])
            fit_epochs(recipe, make_set(job["n"]), job["out"], device="cpu", progress=progress, **options)
        except TrainingInterruptedError:
            assert job["stop_at"]
    statistics(jobs.parent)


if __name__ == "__main__":
    atexit.register(threads_at_exit, Path(sys.argv[1]).parent)  # before armoire's own, and so called after it
    main(Path(sys.argv[1]))
