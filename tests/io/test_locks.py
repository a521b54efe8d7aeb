from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from armoire.errors import ArmoireError
from armoire.io.locks import file_lock

HOLD = """
import sys, time
from pathlib import Path
from armoire.io.locks import file_lock
with file_lock(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Starts a process that holds a lock until it is ended."""
    started = []

    def start() -> subprocess.Popen:
        words = [sys.executable, "-c", HOLD, str(tmp_path / "here" / ".lock")]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_second_is_told_who_holds_it(tmp_path, holder):
    process = holder()
    with (
        pytest.raises(ArmoireError, match=rf"it is in use by process {process.pid} on .* since 20\d\d-.*; wait"),
        file_lock(tmp_path / "here" / ".lock", "it"),
    ):
        raise AssertionError
    assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_holder_holds_nothing(tmp_path, holder, number):
    process = holder()
    process.send_signal(number)
    process.wait()
    with file_lock(tmp_path / "here" / ".lock", "it"):
        assert f"process {os.getpid()} " in (tmp_path / "here" / ".lock").read_text()


def test_one_may_wait_for_the_other(tmp_path, holder):
    process = holder()
    told = []

    def let_go(text: str) -> None:
        told.append(text)
        assert process.poll() is None
        process.kill()

    with file_lock(tmp_path / "here" / ".lock", "it", let_go):
        assert process.wait() == -signal.SIGKILL
    assert len(told) == 1
    assert "waiting" in told[0]


def test_nothing_is_left(tmp_path):
    with file_lock(tmp_path / "a" / "b" / ".lock", "it"):
        assert (tmp_path / "a" / "b" / ".lock").is_file()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").mkdir()
    with file_lock(tmp_path / "a" / ".lock", "it"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_where_nothing_can_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ArmoireError, match="cannot write"), file_lock(tmp_path / "file" / "x" / ".lock", "it"):
        raise AssertionError


def test_what_a_stranger_wrote_there_is_not_believed(tmp_path, holder):
    holder()
    (tmp_path / "here" / ".lock").write_bytes(b"\x1b[31m" + b"x" * 5000)
    with pytest.raises(ArmoireError) as told, file_lock(tmp_path / "here" / ".lock", "it"):
        raise AssertionError
    assert "\x1b" not in str(told.value)
    assert len(str(told.value)) < 700
