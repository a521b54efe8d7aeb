from __future__ import annotations

from armoire.cli.arguments import Flag, Json
from armoire.cli.output import print_json, print_table
from armoire.console import terminal_progress


def cache(*, clear: Flag = False, json: Json = False) -> None:
    """List what armoire stores outside of runs, with sizes, or remove it.

    Args:
        clear: remove it, except what another process is writing; all of it can be downloaded or computed again.
    """
    from armoire.io.cache import KINDS, cache_entries, clear_cache
    from armoire.io.files import cache_folder

    folder = cache_folder()
    entries = clear_cache(terminal_progress().note) if clear else cache_entries()
    total = sum(entry.bytes for entry in entries)
    if json:
        rows = [{"kind": e.kind, "path": str(e.path), "bytes": e.bytes} for e in entries]
        print_json({"folder": str(folder), "cleared": clear, "bytes": total, "entries": rows})
        return
    table = [
        (KINDS.get(e.kind, e.kind), e.path.relative_to(folder / e.kind).as_posix(), f"{e.bytes / 1e6:,.1f} MB")
        for e in entries
    ]
    print_table([*table, ("removed" if clear else "total", str(folder), f"{total / 1e6:,.1f} MB")])
