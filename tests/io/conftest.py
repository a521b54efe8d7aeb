from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = """
import sys
from pathlib import Path
from armoire.io.locks import file_lock
with file_lock(Path(sys.argv[1]), "it"):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder() -> Iterator[Callable[[Path], subprocess.Popen]]:
    """Starts a process that has a lock until it, or the test, is ended."""
    started = []

    def start(path: Path) -> subprocess.Popen:
        command = [sys.executable, "-c", PROGRAM, str(path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "locked\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
