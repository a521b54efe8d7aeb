"""Worker processes of this machine, by loky: they do not import the program's main module, and they end with it.

Starting them takes as long as decoding a thousand small images, hence they wait a while for the next tasks.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from loky import ProcessPoolExecutor

T = TypeVar("T")
R = TypeVar("R")

POLL_SECONDS = 0.5
IDLE_SECONDS = 5  # after which a worker without tasks ends
DEATHS = 5  # of workers over one task: after so many, the task is what kills them


#: Pools without tasks, by the process that started them (a fork cannot use its parent's) and their number of workers.
_idle: dict[tuple[int, int], ProcessPoolExecutor] = {}


class WorkerDiedError(Exception):
    """A task that `DEATHS` workers died over, and its position among the tasks."""

    def __init__(self, position: int, task: object) -> None:
        super().__init__(f"{DEATHS} processes died over task {position}")
        self.position, self.task = position, task


def cores() -> int:
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(
    work: Callable[[T], R], tasks: Iterable[T], workers: int, meanwhile: Callable[[], None] = lambda: None
) -> Generator[tuple[int, R], None, None]:
    """The position and result of every task as they end, computed by `workers` processes.

    A worker that dies is replaced. The tasks that were running then are done again one at a time, so that the one
    that kills its worker is known. Few tasks are taken from the iterable ahead of time.

    Args:
        work: a function of a module, which is imported in each process.
        tasks: its arguments; they and the results are pickled.
        workers: number of processes.
        meanwhile: called here every half second, to report how far running tasks are.

    Raises:
        WorkerDiedError: one task killed `DEATHS` workers.
        Exception: what `work` raised.
    """
    from loky.process_executor import TerminatedWorkerError

    following = enumerate(tasks)
    deaths: Counter[int] = Counter()
    suspects: dict[int, T] = {}
    while True:
        alone = next(iter(suspects.items()), None)
        running: dict[Future[R], tuple[int, T]] = {}
        try:
            for position, result in _run(
                work, following if alone is None else [alone], workers if alone is None else 1, running, meanwhile
            ):
                suspects.pop(position, None)
                yield position, result
            if alone is None:
                return
        except TerminatedWorkerError:
            suspects |= dict(sorted(running.values(), key=itemgetter(0)))
            if alone is not None:
                deaths[alone[0]] += 1
                if deaths[alone[0]] >= DEATHS:
                    raise WorkerDiedError(*alone) from None


def _run(
    work: Callable[[T], R],
    tasks: Iterable[tuple[int, T]],
    workers: int,
    running: dict[Future[R], tuple[int, T]],
    meanwhile: Callable[[], None],
) -> Iterator[tuple[int, R]]:
    """Results by one pool of processes; `running` holds what is unfinished when the pool breaks."""
    from loky import ProcessPoolExecutor

    here = os.getpid()
    pool = _idle.pop((here, workers), None) or ProcessPoolExecutor(
        workers, timeout=IDLE_SECONDS, initializer=_begin, initargs=(here,)
    )
    try:
        waiting = iter(tasks)
        while True:
            for task in islice(waiting, 2 * workers - len(running)):
                running[pool.submit(work, task[1])] = task
            if not running:
                break
            done, _ = wait(running, POLL_SECONDS, return_when=FIRST_COMPLETED)
            meanwhile()
            for future in done:
                result = future.result()
                yield running.pop(future)[0], result
    except BaseException:  # GeneratorExit too, of a caller that wants no more
        pool.shutdown(wait=True, kill_workers=True)
        raise
    _idle[here, workers] = pool


def _begin(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends its workers
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    """End this process when its parent has ended, which loky does not on Linux and macOS."""
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os._exit(1)
