"""The findings of `armoire doctor` in runs with one wrong setting each, and in healthy ones.

    python benchmarks/doctor.py --out runs/ill --epochs 1 --healthy runs/fashion-vae runs/celeba-vae --write

Trains fashion-vae on all of Fashion-MNIST with one wrong setting each time (finished runs are not trained again), and
examines the first healthy run on its own test images inverted.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from results import when_and_where, write_section

from armoire.errors import ArmoireError
from armoire.images import from_array
from armoire.measure.doctor import Examination, examine, examine_stopped
from armoire.wardrobe import Wardrobe, train

ILL = {
    "beta 1000": {"beta": 1000.0},
    "beta 0.0001": {"beta": 1e-4},
    "512 latent dimensions": {"latent": 512},
    "learning rate 1": {"lr": 1.0},
}


def main() -> None:
    """Train, examine, print as it comes, and write a section of docs/results.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/ill"))
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--healthy", nargs="+", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    given = parser.parse_args()
    lines = [
        f"{when_and_where()}, seed 0; ill runs of {given.epochs} epoch(s).",
        "",
        "| run | found | evidence |",
        "| --- | --- | --- |",
    ]
    print("\n".join(lines), flush=True)

    def add(title: str, found: Examination | None) -> None:
        findings = found.findings if found else ()
        names = "; ".join(finding.name for finding in findings) or "nothing"
        evidence = "; ".join(finding.evidence for finding in findings).replace("|", "\\|")
        lines.append(f"| {title} | {names} | {evidence} |")
        print(lines[-1], flush=True)

    for title, settings in ILL.items():
        path = given.out / title.replace(" ", "-")
        try:
            found = examine(train("fashion-vae", out=path, resume=True, epochs=given.epochs, **settings))
        except ArmoireError:
            if (found := examine_stopped(path)) is None:
                raise
        add(f"fashion-vae, {title}", found)
    well = Wardrobe.open(given.healthy[0])
    tested = np.asarray(well.images.split("test").images)[:, 2:30, 2:30]
    add(f"{given.healthy[0].name}, pixels inverted", examine(well, from_array(255 - tested)))
    for path in given.healthy:
        add(path.name, examine(Wardrobe.open(path)))
    if given.write:
        write_section("The doctor", lines)


if __name__ == "__main__":
    main()
