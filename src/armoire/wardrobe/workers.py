"""Processes of this machine that make shards: one a core, each with the model loaded once.

A worker that dies is replaced, and its shard is made by another. Where this process dies, its workers follow.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections import Counter, deque
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait

from armoire.errors import ArmoireError
from armoire.progress import Task
from armoire.wardrobe.shards import Job, ShardEncoder, ShardTask

DEATHS = 5  # over one shard: after so many, what kills its workers is the shard


class _Worker:
    """A process, the pipe to it, and what it is doing."""

    def __init__(self, job: Job) -> None:
        # Not forked: torch's threads would be lost in the copy.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, job), daemon=True)
        self.process.start()
        theirs.close()
        self.shard: ShardTask | None = None
        self.advanced = 0

    def give(self, shard: ShardTask) -> None:
        self.shard, self.advanced = shard, 0
        self.pipe.send(shard)

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        self.pipe.close()


def make_locally(job: Job, shards: Sequence[ShardTask], workers: int, task: Task) -> None:
    """Make shards in processes of this machine.

    Raises:
        ArmoireError: a worker met something that the user can mend, or one shard killed several of them.
    """
    waiting, deaths = deque(shards), Counter[int]()
    hands = [_Worker(job) for _ in range(min(workers, len(shards)))]
    try:
        for hand in hands:
            _give(hand, waiting)
        while busy := {hand.pipe: hand for hand in hands if hand.shard is not None}:
            for pipe in wait(list(busy)):
                hand = busy[pipe]  # type: ignore[index]
                try:
                    done = _hear(hand, task)
                except (EOFError, OSError):  # it died
                    shard = hand.shard
                    assert shard is not None
                    deaths[shard.number] += 1
                    task.advance(-hand.advanced)
                    hand.end()
                    if deaths[shard.number] >= DEATHS:
                        raise ArmoireError(_over(shard, hand.process.exitcode)) from None
                    waiting.appendleft(shard)
                    hands[hands.index(hand)] = hand = _Worker(job)
                    done = True
                if done:
                    _give(hand, waiting)
    finally:
        for hand in hands:
            hand.end()


def _give(hand: _Worker, waiting: deque[ShardTask]) -> None:
    hand.shard = None
    if waiting:
        shard = waiting.popleft()
        try:
            hand.give(shard)
        except OSError:  # it died before it got it, which is heard of in a moment
            hand.shard = shard


def _hear(hand: _Worker, task: Task) -> bool:
    """Take one message; True where the shard is done."""
    kind, content = hand.pipe.recv()
    if kind == "advance":
        hand.advanced += content
        task.advance(content)
    elif kind == "mend":
        raise ArmoireError(content)
    elif kind == "bug":
        raise RuntimeError(f"a worker failed:\n{content}")
    else:
        assert hand.shard is not None
        task.advance(len(hand.shard.part) - hand.advanced)
    return kind == "done"


def _over(shard: ShardTask, code: int | None) -> str:
    last = shard.first + len(shard.part)
    return (
        f"{DEATHS} workers died over shard {shard.number}, images {shard.first:,} to {last:,} (exit code {code}); "
        "give fewer --workers if memory is short, or take the image that kills them out of the data"
    )


def _serve(pipe: Connection, job: Job) -> None:
    """What a worker does: shard after shard, until it is ended or its parent dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends its workers
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        encoder = ShardEncoder(job)
        while True:
            encoder(pipe.recv(), lambda n: pipe.send(("advance", n)))
            pipe.send(("done", None))
    except EOFError:
        return
    except ArmoireError as error:
        pipe.send(("mend", str(error)))
    except Exception as error:
        # What a disk or a network answers, the user can mend.
        words = str(error) if isinstance(error, OSError) else traceback.format_exc()
        pipe.send(("mend" if isinstance(error, OSError) else "bug", words))


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
