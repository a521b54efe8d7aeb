"""Greeting, help, widths, colours and completion of the command line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from armoire.cli import main
from armoire.cli.app import COMMANDS, build
from armoire.training.runs import find_runs

COLOUR = re.compile(r"\x1b\[[0-9;]*(3[0-7]|38|9[0-7])[0-9;]*m")


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    """Run a command line in an empty folder, and return what it prints."""
    monkeypatch.chdir(tmp_path)

    def type_(*arguments: str) -> str:
        main(list(arguments))
        return capsys.readouterr().out

    return type_


def make_run(path: Path, done: int, asked: int = 3, name: str = "images-vae", at: int = 1_000_000) -> None:
    path.mkdir(parents=True)
    (path / "recipe.toml").write_text(f'name = "{name}"\nepochs = {asked}\ndata = "photos"\n')
    (path / "history.csv").write_text("\n".join(["epoch,step", *(f"{k},{10 * k}" for k in range(1, done + 1))]) + "\n")
    if done == asked:
        (path / "latents.parquet").touch()
    for file in path.iterdir():
        os.utime(file, (at, at))


def test_without_runs_three_commands_are_shown(typed):
    shown = typed()
    assert [line.split("  ")[1] for line in shown.splitlines() if line.startswith("  armoire ")] == [
        "armoire train fashion-vae",
        "armoire explore runs/fashion-vae",
        "armoire figures runs/fashion-vae",
    ]
    assert "Runs here" not in shown


def test_runs_are_listed_with_what_comes_next(typed, tmp_path):
    make_run(tmp_path / "runs" / "old", done=3, at=1_000_000)
    make_run(tmp_path / "my faces", done=3, at=2_000_000)
    (tmp_path / "runs" / "none").mkdir()
    shown = typed()
    rows = shown[shown.index("Runs here") :].splitlines()
    assert rows[1].split() == ["'my", "faces'", "images-vae", "3", "epochs,", *rows[1].split()[5:]]
    assert rows[2].split()[0] == "runs/old"
    assert shown.count("  armoire ") == 3
    assert "  armoire explore 'my faces'" in shown


def test_a_stopped_run_can_be_resumed(typed, tmp_path):
    make_run(tmp_path / "runs" / "half", done=1)
    shown = typed()
    assert "stopped after 10 steps, of 3 epochs" in shown
    assert "armoire train runs/half/recipe.toml --out runs/half --resume" in shown
    assert shown.count("  armoire ") == 3


def test_more_runs_than_fit_are_counted(typed, tmp_path):
    for k in range(11):
        make_run(tmp_path / "runs" / f"run-{k}", done=3)
    assert "  and 3 more" in typed()


@pytest.mark.parametrize(
    "text", ["", "epochs = ", "epochs = 'three'", "epochs = 1\nname = 3", "\0", "epochs = 1\n" * 9]
)
def test_a_damaged_recipe_is_left_out(tmp_path, text):
    make_run(tmp_path / "runs" / "sound", done=3)
    make_run(tmp_path / "runs" / "damaged", done=3)
    (tmp_path / "runs" / "damaged" / "recipe.toml").write_text(text)
    (tmp_path / "runs" / "loop").symlink_to(tmp_path / "runs" / "loop")
    assert [run.path.name for run in find_runs(tmp_path)] == ["sound"]


def test_a_run_that_was_trained_is_found(vae_run):
    [found] = [run for run in find_runs(vae_run.run.path.parent) if run.path == vae_run.run.path]
    assert found.is_finished
    assert (found.length, found.steps) == ("2 epochs", 10)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_defaults_and_an_example_at_any_width(command, capsys, monkeypatch):
    for width in (60, 80, 132):
        monkeypatch.setenv("COLUMNS", str(width))
        main([command, "--help"])
        shown = capsys.readouterr().out
        assert max(map(len, shown.splitlines())) <= width, (command, width)
        example = " ".join(shown[shown.index("Example: ") :].split())
        assert example == " ".join(f"Example: {COMMANDS[command]}".split())
    flags = re.split(r"\n(?=│ [*-])", shown[shown.index("╭") : shown.rindex("╯")])
    for flag in flags:
        words = " ".join(re.sub(r"[│╭╮╰╯─]", " ", flag).split())
        if words.startswith("--"):
            assert re.search(r"\[required\]|default", words), words


@pytest.mark.parametrize("command", COMMANDS)
def test_each_example_can_be_parsed(command):
    import shlex

    _, *arguments = shlex.split(COMMANDS[command])
    build().parse_args(arguments, exit_on_error=False, print_error=False)


def on_a_terminal(*arguments: str, width: int = 60, **environment: str) -> str:
    """What a command prints on a terminal of `width` columns."""
    import fcntl
    import pty
    import struct
    import termios

    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    command = [sys.executable, "-m", "armoire", *arguments]
    with subprocess.Popen(
        command, stdin=child, stdout=child, stderr=child, env=env | {"TERM": "xterm-256color"} | environment
    ):
        os.close(child)
        shown = b""
        while True:
            try:
                part = os.read(parent, 65536)
            except OSError:  # at the end of the program
                break
            if not part:
                break
            shown += part
    os.close(parent)
    return shown.decode()


def test_no_color_turns_colours_off():
    assert COLOUR.search(on_a_terminal("train", "--help"))
    assert not COLOUR.search(on_a_terminal("train", "--help", NO_COLOR="1"))


def test_tables_fit_a_narrow_terminal():
    shown = on_a_terminal("recipes", width=60)
    assert max(map(len, shown.splitlines())) <= 60
    assert "fashion-vae" in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(typed, shell):
    script = typed("completion", shell)
    assert "armoire" in script
    assert "reconstruct" in script


def test_bash_completes_commands_flags_recipes_and_runs(tmp_path, typed):
    make_run(tmp_path / "runs" / "old", done=3)
    (tmp_path / "elsewhere" / "wardrobes").mkdir(parents=True)
    (tmp_path / "armoire.bash").write_text(typed("completion", "bash"))
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "armoire").write_text(f'#!/bin/sh\nexec {sys.executable} -m armoire "$@"\n')
    (bin_ / "armoire").chmod(0o755)
    ask = """
source ./armoire.bash
complete_() { COMP_WORDS=(armoire "$@"); COMP_CWORD=$#; COMP_LINE="armoire $*"; COMP_POINT=${#COMP_LINE}
  COMPREPLY=(); _armoire; echo "${COMPREPLY[@]}"; }
complete_ rec; complete_ train --lat; complete_ train fashion-d; complete_ sample runs/o; complete_ doctor elsewhere/w
"""
    env = os.environ | {"PATH": f"{bin_}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", ask], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    shown = [line.split() for line in done.stdout.splitlines()]
    assert (sorted(shown[0]), *shown[1:3]) == (["recipes", "reconstruct"], ["--latent"], ["fashion-dae"]), done
    assert shown[3:] == [["runs/old"], ["elsewhere/wardrobes"]], done


def test_completion_is_installed_where_the_shell_looks(tmp_path, typed, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    place = Path(typed("completion", "bash", "--install").strip())
    assert place.is_relative_to(tmp_path)
    assert "armoire" in place.read_text()
