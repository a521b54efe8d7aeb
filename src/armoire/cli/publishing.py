"""Verbs that let a model out of the house: explore, export."""

from __future__ import annotations

import shlex
import threading
import webbrowser
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from armoire.cli.terminal import Whole, terminal_progress
from armoire.errors import ArmoireError

HOST = "127.0.0.1"  # this machine alone


def explore(
    run: Path,
    /,
    *,
    port: Whole | None = None,
    no_browser: Annotated[bool, Parameter(negative="")] = False,
    export: Path | None = None,
) -> None:
    """Open a run in a browser: walk over its map while the picture under the pointer is made.

    Args:
        run: folder of a run.
        port: where to listen on this machine; by default a free one.
        no_browser: print the page's address without opening it.
        export: write the same page into this folder, which any web host can serve, and stop.
    """
    from armoire.publish.serve import listen, serve
    from armoire.publish.site import site_files
    from armoire.training import Run

    if export is not None:
        if port is not None:
            raise ArmoireError("--export writes a folder and serves nothing: leave out either it or --port")
        _export_site(run, export)
        return
    if port is not None:
        listen(HOST, port).close()  # a port that is taken is told before the long work
    progress = terminal_progress()
    files = site_files(Run.open(run), progress)

    def ready(url: str) -> None:
        print(url, flush=True)
        progress.note("Ctrl-C ends it")
        if not no_browser:
            # In a thread of its own: a browser in the terminal would keep the server waiting.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    serve(files, port, ready, HOST)


def _export_site(path: Path, folder: Path) -> None:
    from armoire.publish.site import export_site
    from armoire.training import Run

    run, progress = Run.open(path), terminal_progress()
    export_site(run, folder, progress)
    progress.note(
        f"the folder holds names, places and thumbnails of {run.data.name}'s images: see that you may share them; "
        f"to look at it: python3 -m http.server -b 127.0.0.1 -d {shlex.quote(str(folder))}"
    )
    print(folder)


def export(run: Path, /, *, onnx: Path) -> None:
    """Write a run's model as FOLDER/encoder.onnx and FOLDER/decoder.onnx, for programs without PyTorch.

    Both are checked against PyTorch before they are written.

    Args:
        run: folder of a run.
        onnx: FOLDER, made where there is none.
    """
    from armoire.publish import write_onnx
    from armoire.wardrobe import Wardrobe

    for path in write_onnx(Wardrobe.open(run, progress=terminal_progress()), onnx):
        print(path)
