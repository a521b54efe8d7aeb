"""`armoire explore`."""

from __future__ import annotations

import shlex
import threading
import webbrowser
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from armoire.cli.arguments import RunFolder, Whole
from armoire.console import terminal_progress
from armoire.errors import ArmoireError

HOST = "127.0.0.1"  # this machine alone


def explore(
    run: RunFolder,
    /,
    *,
    port: Whole | None = None,
    host: str = HOST,
    no_browser: Annotated[bool, Parameter(negative="")] = False,
    export: Path | None = None,
) -> None:
    """Open a run in a browser: walk over its map while the picture under the pointer is made.

    Args:
        run: folder of a run.
        port: where to listen on this machine; by default a free one.
        host: the address to listen on; any but this machine's own lets others see the run's images too.
        no_browser: print the page's address without opening it.
        export: write the same page into this folder, which any web host can serve, and stop; by default it is served.
    """
    from armoire.publish.serve import is_loopback, listen, serve
    from armoire.publish.site import site_files
    from armoire.training import Run

    if export is not None:
        if port is not None or host != HOST:
            raise ArmoireError("--export writes a folder and serves nothing: leave it out, or --port and --host")
        _export_site(run, export)
        return
    if port is not None:
        listen(host, port).close()  # a port that is taken is told before the long work
    progress = terminal_progress()
    files = site_files(Run.open(run, progress), progress)

    def ready(url: str) -> None:
        print(url, flush=True)
        if not is_loopback(host):
            progress.note(
                f"whoever reaches this machine by {host} can see the run's images, without a password and unencrypted"
            )
        progress.note("Ctrl-C ends it")
        if not no_browser:
            # In a thread of its own: a browser in the terminal would keep the server waiting.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    serve(files, port, ready, host)


def _export_site(path: Path, folder: Path) -> None:
    from armoire.publish.site import export_site
    from armoire.training import Run

    progress = terminal_progress()
    run = Run.open(path, progress)
    export_site(run, folder, progress)
    progress.note(
        f"the folder holds names, places and thumbnails of {run.data.name}'s images: see that you may share them; "
        f"to look at it: python3 -m http.server -b 127.0.0.1 -d {shlex.quote(str(folder))}"
    )
    print(folder)
