"""How well noise is removed by several runs: each kind of noise at five levels, seen and unseen in training.

    python benchmarks/denoising.py runs/fashion-dae runs/fashion-ae --write

Everything is what `armoire evaluate RUN --denoising` measures; the figure `denoising-levels` draws it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from results import when_and_where, write_section

from armoire.measure.denoising import measure_denoising
from armoire.wardrobe import Wardrobe


def main() -> None:
    """Measure, and print or write a section of docs/results.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    given = parser.parse_args()
    found = {}
    for path in given.runs:
        wardrobe = Wardrobe.open(path)
        part = wardrobe.images.split(wardrobe.held_out)
        name = f"{path.name}, {wardrobe.recipe.epochs} epochs"
        found[name] = measure_denoising(wardrobe.model, part, wardrobe.recipe.noise)
    first = next(iter(found.values()))
    names = [*found, "the noisy image"]
    lines = [
        f"{when_and_where()}, seed 0, {first['n']:,} held-out images. PSNR in dB, and SSIM, against the clean image; "
        "in brackets where training had this very noise. A run below the noisy image has removed nothing.",
        "",
        f"| noise | level | {' | '.join(names)} |",
        "| --- | ---: |" + " ---: |" * len(names),
        f"| none | | {' | '.join(_pair(one['clean']) for one in found.values())} | |",
    ]
    for kind, rows in first["levels"].items():
        for i, row in enumerate(rows):
            ours = [one["levels"][kind][i] for one in found.values()]
            cells = [f"[{_pair(one)}]" if one["seen"] else _pair(one) for one in ours]
            noisy = f"{row['noisy_psnr_db']:.1f}, {row['noisy_ssim']:.3f}"
            lines.append(f"| {kind} | {row['level']:g} | {' | '.join(cells)} | {noisy} |")
    print("\n".join(lines))
    if given.write:
        write_section("Denoising", lines)


def _pair(row: dict[str, float]) -> str:
    return f"{row['psnr_db']:.1f}, {row['ssim']:.3f}"


if __name__ == "__main__":
    main()
