from __future__ import annotations

from armoire.cli.arguments import Json, RunPath
from armoire.cli.inputs import open_wardrobe
from armoire.cli.output import print_json, print_table, print_verdict
from armoire.console import terminal_progress


def doctor(run: RunPath, /, *, data: str | None = None, split: str | None = None, json: Json = False) -> None:
    """Say what a run is good for, what is wrong with it, why, and which command fixes it.

    Args:
        data: other images, to check that they are prepared like the training images; or these, where they are now; by
            default where the run says.
        split: of these: train, valid or test; by default the held-out one.
    """
    from armoire.measure import verdict_on
    from armoire.measure.doctor import examine, examine_stopped

    verdict = None
    if (found := examine_stopped(run, terminal_progress())) is None:
        wardrobe = open_wardrobe(run)
        images = wardrobe.load_other(data) if data else None
        found = examine(wardrobe, images, split=split, progress=wardrobe.progress)
        verdict = verdict_on(wardrobe, found)
    if json:
        print_json({"run": str(run), "verdict": verdict and verdict.to_dict(), **found.to_dict()})
        return
    if verdict:
        print_verdict(verdict, str(run))
    if not found.findings:
        n = found.numbers
        print(
            f"{run} is healthy: reconstructions explain {n['explained']:.0%} of the held-out pixels' variance, "
            f"{n['dimensions_used']} of {n['dimensions']} dimensions are in use, and {n['holes']:.1%} of samples from "
            f"{n['drawn_from']} fall into holes (of held-out images 1 %)."
        )
    for k, finding in enumerate(found.findings):
        print(("\n" if k else "") + finding.name)
        print_table([("  found", finding.evidence), ("  cause", finding.cause), ("  fix", finding.fix)])
