"""How fast armoire trains and encodes, against peers that do the same work in turns: `make bench`.

Each peer runs in a virtual environment of its own and waits while another works; a round gives each one lap. Reported
of each peer are its images per second (median over rounds, and the range), and the ratio of armoire's to its, taken
within each round. The machine's limit is the multiply-adds of the network, forward and backward, at the rate of a
large matrix product measured in the same rounds.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from peers.laps import JOBS, Job
from results import when_and_where, write_section

from armoire.images import load_images
from armoire.model import Architecture, Autoencoder

HERE = Path(__file__).parent
IMAGES = {"fashion-ae": 4000, "fashion-vae": 4000, "celeba-vae": 640}
SGEMM = 2048


class Peer:
    """A process that does laps when asked."""

    def __init__(self, name: str, python: str, folder: Path) -> None:
        script = HERE / "peers" / f"with_{name}.py"
        self.name = name
        self._process = subprocess.Popen(
            [python, str(script), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if "-v" in sys.argv else subprocess.DEVNULL,
            text=True,
        )
        self.versions: dict[str, str] = self._answer()

    def lap(self, job: str, act: str) -> tuple[float, float]:
        """Seconds, and the mean objective."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"job": job, "act": act}) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        return answer["seconds"], answer["objective"]

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def _answer(self):
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} stopped; run again with -v to see why")
        return json.loads(line)


@dataclass
class Laps:
    """What one peer did of one job: images a second and the objective, a value a round."""

    rates: list[float] = field(default_factory=list)
    objectives: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Images a second."""
        return statistics.median(self.rates)


def pixels_of(job: Job) -> np.ndarray:
    """The images of a job: Fashion-MNIST, or drawn faces, training images both."""
    source = "fashion-mnist" if job.image_channels == 1 else "drawn-faces"
    images = load_images(source, size=None if job.image_channels == 1 else job.size)
    return np.array(images.split("train").images[: IMAGES[job.name]])


def multiply_adds(job: Job, act: str) -> float:
    """Of one image, as torch counts them: forward and backward, or the encoder's forward; elementwise work is not."""
    from torch.utils.flop_counter import FlopCounterMode

    architecture = Architecture(
        job.size, job.image_channels, job.latent, "gaussian" if job.variational else "point", channels=job.channels
    )
    model = Autoencoder(architecture)
    x = torch.rand(1, job.image_channels, job.size, job.size)
    with FlopCounterMode(display=False) as counter:
        if act == "train":
            model.terms(x, torch.zeros(1, job.latent)).distortion.sum().backward()
        else:
            model.encode(x)
    return counter.get_total_flops() / 2


def sgemm_rate() -> float:
    """Multiply-adds a second of a large float32 matrix product on all cores."""
    a, b = torch.rand(SGEMM, SGEMM), torch.rand(SGEMM, SGEMM)
    a @ b
    began = time.perf_counter()
    for _ in range(5):
        a @ b
    return 5 * SGEMM**3 / (time.perf_counter() - began)


def compare(peers: list[Peer], job: Job, act: str, rounds: int) -> tuple[dict[str, Laps], float]:
    """Laps of every peer, a round after another, and the median rate of the matrix product between them."""
    found = {peer.name: Laps() for peer in peers}
    gemm = []
    for round_ in range(rounds + 1):  # the first one warms up
        for peer in peers[round_ % len(peers) :] + peers[: round_ % len(peers)]:
            seconds, objective = peer.lap(job.name, act)
            found[peer.name].objectives.append(objective)
            if round_:
                found[peer.name].rates.append(IMAGES[job.name] / seconds)
        gemm.append(sgemm_rate())
    return found, statistics.median(gemm)


def table(job: Job, act: str, found: dict[str, Laps], limit: float) -> list[str]:
    """The result in Markdown."""
    learns = act == "train"
    head = ["", "images/s", "range", "armoire's ratio", "range", "of the limit"]
    lines = [f"### {job.name}, {'training, batch ' + str(job.batch) if learns else 'encoding'}", ""]
    head += ["objective of the last lap, nats"] if learns else []
    lines += ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    ours = found["armoire"]
    for name, laps in found.items():
        ratios = [a / b for a, b in zip(ours.rates, laps.rates, strict=True)]
        cells = [name, f"{laps.median:,.0f}", f"{min(laps.rates):,.0f} to {max(laps.rates):,.0f}"]
        cells += [f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}"]
        cells += [f"{100 * laps.median / limit:.0f} %"] + ([f"{laps.objectives[-1]:.1f}"] if learns else [])
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, "", f"Limit: {limit:,.0f} images/s.", ""]


def main() -> None:
    """Compare and write the section `Speed` of docs/results.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help="keras, pythae or torch")
    parser.add_argument("--job", action="append", choices=JOBS, help="default: all")
    parser.add_argument("--act", action="append", choices=("train", "encode"), help="default: both")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    parser.add_argument("-v", action="store_true", help="show what the peers print")
    given = parser.parse_args()
    pythons = {"armoire": sys.executable, "torch": sys.executable} | dict(p.split("=", 1) for p in given.peer)
    with tempfile.TemporaryDirectory() as folder:
        jobs = [JOBS[name] for name in given.job or JOBS]
        for job in jobs:
            np.save(Path(folder) / f"{job.name}.npy", pixels_of(job))
        peers = [Peer(name, python, Path(folder)) for name, python in pythons.items()]
        versions = {key: value for peer in peers for key, value in peer.versions.items()}
        command = " ".join(
            ["python", "benchmarks/speed.py", *(f"--peer {peer.split('=')[0]}=..." for peer in given.peer)]
        )
        there = ", ".join(f"{key} {value}" for key, value in versions.items())
        lines = [
            f"{when_and_where()}, {platform.system()}, Python {platform.python_version()}; {there}.",
            f"`{command} --rounds {given.rounds}`: medians and ranges of {given.rounds} alternating rounds, after one "
            "to warm up.",
            "",
        ]
        print("\n".join(lines), flush=True)
        for job in jobs:
            for act in given.act or ("train", "encode"):
                able = [peer for peer in peers if peer.name != "pythae" or job.variational]
                found, gemm = compare(able, job, act, given.rounds)
                part = table(job, act, found, gemm / multiply_adds(job, act))
                print("\n".join(part), flush=True)
                lines += part
        for peer in peers:
            peer.close()
    if given.write:
        write_section("Speed", lines)


if __name__ == "__main__":
    main()
