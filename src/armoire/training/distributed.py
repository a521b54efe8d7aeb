"""Several processes that train one model under torchrun; the only module that uses torch.distributed."""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from armoire.errors import ArmoireError, first_line
from armoire.io.workers import cores

PATIENCE = timedelta(days=7)  # the first process may read a data set for long while the others wait for it
NUMBERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")  # variables that torchrun sets
_groups: dict[str, Any] = {}  # `patient`: the process group with a long timeout; no other object holds it
SECONDS_FOR_THE_FIRST = 2  # that the others wait for it to report an error that all of them have
T = TypeVar("T")


@dataclass(frozen=True)
class DistributedContext:
    """The processes of a training, from the view of one of them; by default the only one."""

    rank: int = 0  # of this process; the first, 0, logs and writes
    size: int = 1  # the number of processes
    local_rank: int = 0  # of this process on its machine
    local_size: int = 1  # the number of processes on this machine

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def share(self, n: int) -> slice:
        """The rows of a batch of n that this process takes: numbers differ by one at most, and may be 0."""
        return slice(self.rank * n // self.size, (self.rank + 1) * n // self.size)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, without gradient."""
        return _summed(values) if self.size > 1 else values

    def sum_with_gradient(self, values: Tensor) -> Tensor:
        """The sum over all processes; its gradient is the sum of all processes' gradients."""
        return _Sum.apply(values) if self.size > 1 else values

    def largest(self, *values: int) -> list[int]:
        """The largest of each value over all processes."""
        if self.size == 1:
            return list(values)
        together = torch.tensor(values)
        dist.all_reduce(together, dist.ReduceOp.MAX)
        return together.tolist()

    def parallel(self, module: nn.Module) -> nn.Module:
        """A wrapper of the module whose gradients are averaged over all processes."""
        if self.size == 1:
            return module
        parallel = DistributedDataParallel(module)
        # The buffers are functions of the whole batch, hence equal everywhere without being sent. Set afterwards:
        # torch 2.6 has no argument `forward_sync_buffers`, and 2.13 deprecates the argument of this name.
        parallel.broadcast_buffers = False
        return parallel

    def wait(self) -> None:
        """Wait until all processes have called it."""
        if self.size > 1:
            dist.barrier(_groups["patient"])

    def from_first(self, make: Callable[[], T]) -> T:
        """The value that `make` returns in the first process, in all of them; its ArmoireError likewise."""
        if self.size == 1:
            return make()
        made: list[Any] = [None]
        if self.is_first:
            try:
                made = [make()]
            except ArmoireError as error:
                made = [error]
        dist.broadcast_object_list(made, 0, _groups["patient"])
        if isinstance(made[0], ArmoireError):
            raise made[0]
        return made[0]

    def in_turns(self, make: Callable[[], T]) -> T:
        """Call `make`, which may write files, in the first process, then in one of every machine, then in the rest."""
        mine = 0 if self.is_first else 1 if self.local_rank == 0 else 2
        for turn in range(3 if self.size > 1 else 1):
            if turn == mine:
                made = make()
            self.wait()
        return made  # type: ignore[possibly-unbound]

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Raise an ArmoireError for the network errors that occur here when another process has ended."""
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not _of_the_network(error):
                raise
            raise ArmoireError(
                f"another of the {self.size} processes has ended, and training with it; --resume continues from the "
                "last checkpoint, with as many processes as you like"
            ) from None


class _Sum(torch.autograd.Function):
    """`sum_with_gradient`; torch's own function for it is deprecated in favour of a private one."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return _summed(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _summed(gradient)


def _summed(values: Tensor) -> Tensor:
    values = values.detach().clone()
    dist.all_reduce(values)
    return values


ALONE = DistributedContext()


def is_first_process() -> bool:
    """Whether this process is the one that writes, also before `join`."""
    return "WORLD_SIZE" not in os.environ or os.environ.get("RANK", "0") == "0"


def join(device: torch.device) -> DistributedContext:
    """Connect to the other processes that torchrun started, once; ALONE where there are none.

    Each uses the GPU of its local rank, or an equal part of the CPU's cores.
    """
    names = (*NUMBERS, "MASTER_ADDR", "MASTER_PORT")
    if any(name not in os.environ for name in names) or os.environ["WORLD_SIZE"] == "1":
        return ALONE
    return _join(device.type)


@cache
def _join(device: str) -> DistributedContext:
    rank, size, local_rank, local_size = (int(os.environ[name]) for name in NUMBERS)
    if device == "cuda":
        if local_size > (gpus := torch.cuda.device_count()):
            raise ArmoireError(
                f"{local_size} processes on a machine with {gpus} GPUs; give --nproc-per-node {gpus}, or --device cpu"
            )
        torch.cuda.set_device(local_rank)
    elif device != "cpu":
        raise ArmoireError(f"the {device} device serves one process; train without torchrun, or give --device cpu")
    elif not _threads_were_given():
        torch.set_num_threads(max(1, cores() // local_size))
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
        _groups["patient"] = dist.new_group(backend="gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise ArmoireError(
            f"the {size} processes cannot reach each other ({first_line(error)}); see docs/scaling.md"
        ) from None
    atexit.register(_leave)
    return DistributedContext(rank, size, local_rank, local_size)


def _leave() -> None:
    """End the threads of the groups: one that releases a tensor while the interpreter ends aborts the process.

    A group's threads end with the last reference to it. The group that gradients are averaged in keeps its own, since
    DistributedDataParallel never gives its reference back; but what a training does last, it does in the other one.
    """
    _groups.clear()
    dist.destroy_process_group()


def may_report() -> bool:
    """Whether this process should report the error that ended them all: the first one to ask, rank 0 preferred.

    Works before the processes have joined and after some have ended, by the store that torchrun itself runs.
    """
    key = f"armoire/reported/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"
    try:
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = dist.TCPStore(address, port, timeout=timedelta(seconds=5), wait_for_workers=False)  # pyright: ignore[reportPrivateImportUsage]
        if not is_first_process():
            with contextlib.suppress(dist.DistStoreError):
                store.wait([key], timedelta(seconds=SECONDS_FOR_THE_FIRST))
        return store.add(key, 1) == 1
    except (KeyError, ValueError, RuntimeError):
        return True  # reported twice is better than not at all


def _of_the_network(error: RuntimeError) -> bool:
    words = ("gloo", "nccl", "connection closed", "connection reset", "broken pipe", "tcpstore")
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in words)


def _threads_were_given() -> bool:
    # torchrun sets OMP_NUM_THREADS=1 where it is unset; its own environment shows whether the user set it.
    if os.environ.get("OMP_NUM_THREADS") != "1":
        return "OMP_NUM_THREADS" in os.environ
    try:
        return b"\0OMP_NUM_THREADS=" in b"\0" + Path(f"/proc/{os.getppid()}/environ").read_bytes()
    except OSError:
        return True
