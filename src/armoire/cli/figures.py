from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from armoire.cli.arguments import RunPath
from armoire.cli.inputs import open_wardrobe
from armoire.errors import ArmoireError


def figures(run: RunPath, /, *names: Annotated[str, Parameter(name="NAME")], data: str | None = None) -> None:
    """Draw figures of a run into RUN/figures and print their paths; without a NAME also report.html.

    Args:
        names: figures to draw; attribute-NAME for any attribute of the data, such as attribute-Smiling; by default all
            that apply, and report.html.
        data: where the training data are now; by default where the run says.
    """
    from armoire.figures import save
    from armoire.io.files import relative
    from armoire.measure import evaluate as measure
    from armoire.publish import write_report

    wardrobe = open_wardrobe(run)
    if data and wardrobe.load_other(data) is not None:
        raise ArmoireError(f"{data} is not the data that {run} was trained on, which its figures show; give that")
    paths = save(wardrobe, list(names) or None, wardrobe.progress)
    if not names:
        paths.append(write_report(wardrobe, measure(wardrobe, progress=wardrobe.progress), paths))
    for path in paths:
        print(relative(path))
