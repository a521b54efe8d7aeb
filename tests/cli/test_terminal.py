"""What progress looks like, on a terminal and in a log."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from rich.console import Console

from armoire import pace
from armoire.cli import output, terminal


@contextlib.contextmanager
def watch(clock):
    """The terminal's own clock; a server's loop in another thread would wait for a time that never comes."""
    ours = SimpleNamespace(monotonic=lambda: clock[0])
    with mock.patch.object(terminal, "time", ours), mock.patch.object(pace, "time", ours):
        yield


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations_are_said_as_people_do(seconds, said):
    assert terminal.duration(seconds) == said


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_bar_keeps_its_percentage_and_time_at_any_width(width):
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=True, color_system=None)
    with mock.patch("rich.console.Console", return_value=console):
        live = terminal._Live()
        with live.task("training fashion-vae", 200, "images", rate=True) as task:
            task.advance(50, distortion=264.93, rate=5.042)
            live.bars.refresh()
    frames = [line for line in screen.getvalue().replace("\r", "\n").splitlines() if "25 %" in line]
    assert frames
    assert all(len(line) <= width + 12 for line in frames)  # escape codes aside
    assert ("distortion 264.9" in frames[-1]) == (width >= 80)
    assert ("images/s" in frames[-1]) == (width >= 120)
    assert ":" in frames[-1]  # the time left


def test_lines_tell_amount_figures_pace_and_time_left(capsys):
    clock = [0.0]
    with watch(clock), terminal._Plain().task("training", 1000, "images", rate=True) as task:
        clock[0] = 20.0
        task.advance(100, distortion=264.93)
        clock[0] = 40.0
        task.advance(100, distortion=260.0)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "training will take about 3 min 20 s"
    assert told[1] == "training: 100 of 1,000 images, distortion 264.9, 5 images/s, 3 min 0 s left"
    assert told[2] == "training: 200 of 1,000 images, distortion 260, 5 images/s, 2 min 40 s left"
    assert told[-1] == "training: 200 images in 40 s"


def test_work_goes_on_when_the_reader_of_its_progress_has_gone():
    code = """
import os, sys
from armoire.cli.terminal import terminal_progress
progress = terminal_progress()
sys.stdin.readline()  # by now nobody reads stderr
for _ in range(3):
    progress.note("still here")
print("done")
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stderr
    child.stderr.close()
    child.stderr = None
    out, _ = child.communicate("go\n", timeout=60)
    assert (child.returncode, out) == (0, "done\n")


def test_a_table_has_as_many_columns_as_its_rows(capsys):
    output.print_table([("id", "distance"), ("000012", "0.5")])
    output.print_table([("a", "test", "b"), ("", "x", "")])
    assert capsys.readouterr().out.splitlines() == ["id      distance", "000012  0.5", "a  test  b", "   x"]


def test_a_long_job_says_how_long_and_where_to(capsys):
    clock = [0.0]
    with watch(clock):
        for amount in (10, 1000):  # 15 minutes of work, and 9 seconds of it
            clock[0] = 0.0
            with terminal._Plain().task("training", 3000, "images", done=0, into=Path("runs/fashion-vae")) as task:
                for now in (1.0, 2.0, 4.0, 5.0):
                    clock[0] = now
                    task.advance(amount)
    told = [line for line in capsys.readouterr().err.splitlines() if "will take" in line]
    assert told == ["training into runs/fashion-vae will take about 6 min 40 s"]


@pytest.mark.parametrize("width", [60, 100])
def test_a_table_fits_a_terminal(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    command = "armoire train drawn-faces-vae --data drawn-faces --out runs/drawn-faces-vae-of-mine --resume"
    output.print_table([("found", f"a sentence of many words, {'and more ' * 20}"), ("next", command)])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert " ".join(line.strip() for line in lines if "found" not in line).endswith(command)
