"""What W&B's own logs hold: a killed process takes the last of what it was told with it.

RUN/tracking/wandb/offline-run-*/*.wandb are logs in LevelDB's format: blocks of 32 KiB, after a header of seven bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

HEADER, BLOCK = 7, 32768
WHOLE, LAST = 1, 4  # kinds of a record's part


def steps_told(folder: Path, run_id: str) -> list[int]:
    """The steps that the offline logs of a run hold, in the order they were told."""
    wandb = import_module("wandb.proto.wandb_internal_pb2")
    found = []
    # By the log's own name: a folder that is opened in the second of another one gets a number behind the run's id.
    for path in sorted(folder.glob(f"wandb/offline-run-*/run-{run_id}.wandb")):
        for content in records(path.read_bytes()):
            record = wandb.Record()
            record.ParseFromString(content)
            if record.HasField("history"):
                found.append(record.history.step.num)
    return found


def records(content: bytes) -> Iterator[bytes]:
    """The records of a log, as far as they are whole."""
    at, parts = HEADER, b""
    while at + HEADER <= len(content):
        if (left := -at % BLOCK) and left < HEADER:  # no room for another header in this block
            at += left
            continue
        length, kind = struct.unpack_from("<HB", content, at + 4)
        if kind == 0 or at + HEADER + length > len(content):
            return
        parts += content[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (WHOLE, LAST):
            yield parts
            parts = b""
