from __future__ import annotations

import os
import signal

import pytest

from armoire.errors import ArmoireError
from armoire.io.locks import file_lock


def test_the_second_process_learns_which_has_the_lock(tmp_path, holder):
    process = holder(tmp_path / "here" / ".lock")
    with (
        pytest.raises(ArmoireError, match=rf"it is in use by process {process.pid} on .* since 20\d\d-.*; wait"),
        file_lock(tmp_path / "here" / ".lock", "it"),
    ):
        raise AssertionError
    assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_ends_with_its_process(tmp_path, holder, number):
    process = holder(tmp_path / "here" / ".lock")
    process.send_signal(number)
    process.wait()
    with file_lock(tmp_path / "here" / ".lock", "it"):
        assert f"process {os.getpid()} " in (tmp_path / "here" / ".lock").read_text()


def test_one_may_wait_for_the_other(tmp_path, holder):
    process = holder(tmp_path / "here" / ".lock")
    reported = []

    def end_it(text: str) -> None:
        reported.append(text)
        assert process.poll() is None
        process.kill()

    with file_lock(tmp_path / "here" / ".lock", "it", end_it):
        assert process.wait() == -signal.SIGKILL
    assert len(reported) == 1
    assert "waiting" in reported[0]


def test_file_and_folder_are_removed(tmp_path):
    with file_lock(tmp_path / "a" / "b" / ".lock", "it"):
        assert (tmp_path / "a" / "b" / ".lock").is_file()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").mkdir()
    with file_lock(tmp_path / "a" / ".lock", "it"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_lock_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ArmoireError, match="cannot write"), file_lock(tmp_path / "file" / "x" / ".lock", "it"):
        raise AssertionError


def test_the_text_of_a_lock_file_is_untrusted(tmp_path, holder):
    holder(tmp_path / "here" / ".lock")
    (tmp_path / "here" / ".lock").write_bytes(b"\x1b[31m" + b"x" * 5000)
    with pytest.raises(ArmoireError) as error, file_lock(tmp_path / "here" / ".lock", "it"):
        raise AssertionError
    assert "\x1b" not in str(error.value)
    assert len(str(error.value)) < 700
