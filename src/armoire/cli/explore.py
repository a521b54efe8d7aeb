from __future__ import annotations

import shlex
import threading
import webbrowser
from pathlib import Path

from armoire.cli.arguments import Flag, RunPath, Whole
from armoire.console import terminal_progress
from armoire.errors import ArmoireError

HOST = "127.0.0.1"


def explore(
    run: RunPath,
    /,
    *,
    port: Whole | None = None,
    host: str = HOST,
    no_browser: Flag = False,
    export: Path | None = None,
) -> None:
    """Open a run in a browser: explore its map while the picture under the pointer is decoded.

    Args:
        port: to listen on; by default a free one.
        host: address to listen on; any but this machine's own lets others see the run's images too.
        no_browser: print the page's address without opening it.
        export: write the page into this folder, for any web host; by default it is served.
    """
    from armoire.publish.serve import is_loopback, listen, serve
    from armoire.publish.site import export_site, site_files
    from armoire.training import Run

    progress = terminal_progress()
    if export is not None:
        if port is not None or host != HOST:
            raise ArmoireError("--export writes a folder and serves nothing: leave it out, or --port and --host")
        opened = Run.open(run, progress)
        export_site(opened, export, progress=progress)
        progress.note(
            f"the folder holds names, latents and thumbnails of {opened.data.name}'s images: check that you may share "
            f"them; view it with: python3 -m http.server -b 127.0.0.1 -d {shlex.quote(str(export))}"
        )
        print(export)
        return

    def ready(url: str) -> None:
        print(url, flush=True)
        if not is_loopback(host):
            progress.note(f"everyone who can reach {host} can see the run's images, without password or encryption")
        progress.note("press Ctrl-C to stop")
        if not no_browser:
            # In a thread: a browser in the terminal would block the server.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    listen(host, port).close()  # report a wrong host or port before the long work
    serve(site_files(Run.open(run, progress), progress), port, ready, host)
