"""Whether memory grows in the explorer under load, or in a training: resident memory at each minute, and its slope.

    python benchmarks/load.py explore runs/fashion-vae --minutes 60 --write
    python benchmarks/load.py train fashion-vae --minutes 30 --write

`explore` serves a run to 20 browsers' worth of connections (six each, each fetching every file of the page again and
again) and sends it 50 further requests a second. The slope is that of a line through the second half.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np
from results import when_and_where, write_section

BROWSERS, CONNECTIONS = 20, 6
REQUESTS_A_SECOND = 50
STATIC_A_SECOND = 4  # files that each browser's connection fetches


def main() -> None:
    """Load it, print as it comes, and write a section of docs/results.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("explore", "train"))
    parser.add_argument("name", help="a run's folder, or a recipe")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        words = ["explore", given.name, "--no-browser"]
        if given.what == "train":
            words = ["train", given.name, "--out", f"{folder}/run", "--epochs", "10000"]
        command = [sys.executable, "-m", "armoire", *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                if given.what == "explore":
                    assert process.stdout
                    url = process.stdout.readline().strip()
                    kilobytes, answers = asyncio.run(load(url, process.pid, given.minutes))
                else:
                    kilobytes, answers = watch(process.pid, given.minutes), ""
            finally:
                process.terminate()
    half = np.array(kilobytes[len(kilobytes) // 2 :]) / 1024
    slope = float(np.polyfit(np.arange(len(half)), half, 1)[0]) if len(half) > 1 else 0.0
    lines = [
        f"{when_and_where()}: armoire {words[0]} {given.name}, {given.minutes:g} minutes. {answers}",
        "",
        "| | MB |",
        "| --- | ---: |",
        f"| resident after a minute | {kilobytes[min(1, len(kilobytes) - 1)] / 1024:.1f} |",
        f"| at the end | {kilobytes[-1] / 1024:.1f} |",
        f"| largest | {max(kilobytes) / 1024:.1f} |",
        f"| slope a minute, second half | {slope:+.3f} |",
    ]
    print("\n".join(lines))
    if given.write:
        write_section(f"Memory in a long {given.what}", lines)


def resident(pid: int) -> int:
    """Resident memory of a process in kB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def watch(pid: int, minutes: float) -> list[int]:
    """Resident memory at each minute."""
    found = []
    for minute in range(int(minutes)):
        time.sleep(60)
        found.append(resident(pid))
        print(f"{minute + 1} min: {found[-1] / 1024:.1f} MB", flush=True)
    return found


async def load(url: str, pid: int, minutes: float) -> tuple[list[int], str]:
    """Request everything for some minutes; resident memory at each minute, and the answers."""
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    with urllib.request.urlopen(f"{url}data/manifest.json", timeout=10) as answer:
        manifest = json.load(answer)
    paths = ["/", "/data/manifest.json"]
    paths += [f"/data/{entry['path']}" for entry in [*manifest["files"].values(), *manifest["sheets"]["files"]]]
    statuses: Counter[str] = Counter()
    latencies: list[float] = []
    until = time.monotonic() + 60 * minutes

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, more: str) -> None:
        began = time.monotonic()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n{more}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
        status = head.split()[1]
        if status != "304":
            await reader.readexactly(length)
        statuses[status] += 1
        latencies.append(time.monotonic() - began)

    async def browser() -> None:
        while time.monotonic() < until:
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                for path in random.sample(paths, len(paths)):
                    await ask(reader, writer, path, "")
                    await asyncio.sleep(random.expovariate(STATIC_A_SECOND / CONNECTIONS))
            except (ConnectionError, asyncio.IncompleteReadError):
                statuses["closed"] += 1
            finally:
                writer.close()

    async def asker() -> None:
        kinds = [(path, "") for path in paths] + [("/nothing", ""), ("/../x", ""), (paths[-1], "Range: bytes=5-99\r\n")]
        while time.monotonic() < until:
            reader, writer = await asyncio.open_connection(host, int(port))
            await ask(reader, writer, *random.choice(kinds))
            writer.close()
            await asyncio.sleep(10 / REQUESTS_A_SECOND)

    tasks = [asyncio.create_task(browser()) for _ in range(BROWSERS * CONNECTIONS)]
    tasks += [asyncio.create_task(asker()) for _ in range(10)]
    found = []
    while time.monotonic() < until:
        await asyncio.sleep(min(60, until - time.monotonic() + 0.1))
        found.append(resident(pid))
        print(f"{len(found)} min: {found[-1] / 1024:.1f} MB, {dict(statuses)}", flush=True)
    await asyncio.gather(*tasks)
    ordered = sorted(latencies)
    summary = f"{len(ordered):,} answers: {dict(statuses)}; median {1000 * ordered[len(ordered) // 2]:.1f} ms, "
    return found, summary + f"99 % within {1000 * ordered[int(0.99 * len(ordered))]:.1f} ms."


if __name__ == "__main__":
    main()
