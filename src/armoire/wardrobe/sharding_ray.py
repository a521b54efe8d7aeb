"""Ray Data as the engine of a computation: tasks over shards, actors that load the model once and may die.

Only descriptions of shards and counts pass through Ray's object store; images and columns go from file to file.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from armoire.errors import ArmoireError
from armoire.progress import Task
from armoire.wardrobe.shards import WORKERS_A_GPU, Job, ShardTask, ShardWriter

BLOCKS = 10_000
OBJECT_STORE = 200_000_000  # bytes, of a Ray of our own: little passes through it


class _Actor:
    """A process of Ray Data."""

    def __init__(self, job: Job) -> None:
        self.writer = ShardWriter(job)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Write the shards of a batch; the number of images of each."""
        shards: list[ShardTask] = list(batch["item"])
        for shard in shards:
            self.writer(shard)
        return {"images": np.array([len(shard.images) for shard in shards], np.int64)}


def write_with_ray(job: Job, shards: Sequence[ShardTask], workers: int | None, task: Task) -> None:
    """Write shards on the cluster of RAY_ADDRESS, or on a Ray started for it on this machine.

    Raises:
        ArmoireError: the cluster cannot be reached, or a worker met something that the user can fix.
    """
    # Ray reads these when it starts: no progress bars of its own.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "error")
    import ray
    from ray.exceptions import RayError

    ours = not ray.is_initialized()
    if ours:
        _start(ray, workers and workers * job.threads)
    try:
        _map(ray, job, shards, workers, task)
    except RayError as error:
        raise _cause(error) from error
    finally:
        if ours:
            ray.shutdown()


def _start(ray: Any, cpus: int | None) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if os.environ.get("RAY_ADDRESS"):
        try:
            ray.init(**quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = os.environ["RAY_ADDRESS"]
            raise ArmoireError(
                f"no Ray cluster at RAY_ADDRESS={where} ({' '.join(str(error).split())}); start or unset it"
            ) from None
    else:
        ray.init(num_cpus=cpus, include_dashboard=False, object_store_memory=OBJECT_STORE, **quiet)


def _map(ray: Any, job: Job, shards: Sequence[ShardTask], workers: int | None, task: Task) -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    there = ray.cluster_resources()
    gpus, cores = int(there.get("GPU", 0)), int(there.get("CPU", 1))
    job = replace(job, device="cuda" if gpus else "cpu")
    count = min(workers or (gpus * WORKERS_A_GPU if gpus else cores // job.threads) or 1, len(shards))
    needs: dict[str, Any] = {"num_cpus": job.threads} | ({"num_gpus": min(1, gpus / count)} if gpus else {})
    # Ray Data restarts an actor that dies, and repeats its tasks, without limit.
    counts = ray.data.from_items(list(shards), override_num_blocks=min(len(shards), BLOCKS)).map_batches(
        _Actor,
        batch_size=1,
        fn_constructor_args=(job,),
        compute=ray.data.ActorPoolStrategy(size=count, max_tasks_in_flight_per_actor=2),
        **needs,
    )
    for row in counts.iter_rows():
        task.advance(int(row["images"]))


def _cause(error: BaseException) -> Exception:
    """The error that a worker raised, in the chain of those that Ray wrapped it in."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (ArmoireError, OSError)):
            return ArmoireError(str(cause).splitlines()[-1])
        cause = cause.__cause__ or getattr(cause, "cause", None)
    return RuntimeError(str(error))
