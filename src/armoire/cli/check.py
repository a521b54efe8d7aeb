from __future__ import annotations

import os
import platform
from importlib import metadata

from armoire.cli.arguments import Json
from armoire.cli.output import flat, print_json, print_table


def check(*, json: Json = False) -> None:
    """Report versions, devices and caches, and what is missing and how to install it."""
    import torch

    from armoire.extras import extras, installed
    from armoire.images.sources import fashion_mnist
    from armoire.io.files import cache_folder

    cache = cache_folder()
    packages = ("armoire", "torch", "numpy", "pillow", "pyarrow", "matplotlib", "scikit-learn")
    ready = any(fashion_mnist.is_fashion(path) for path in (cache / fashion_mnist.NAME, fashion_mnist.DEBIAN))
    ready = ready or any((cache / "stores").glob(f"{fashion_mnist.NAME}-*"))
    found = {
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in packages},
        "devices": {
            "cpu": f"{os.cpu_count()} cores, {torch.get_num_threads()} threads",
            "cuda": torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none",
            "mps": "yes, untested" if torch.backends.mps.is_available() else "none",
        },
        "cache": {
            "folder": str(cache),
            "megabytes": round(sum(f.stat().st_size for f in cache.rglob("*") if f.is_file()) / 1e6, 1),
        },
        "fashion-mnist": "ready" if ready else f"missing; {fashion_mnist.ways_to_get_it()}",
        "extras": {extra: installed(extra) for extra in extras()},
    }
    if json:
        print_json(found)
    else:
        print_table(flat(found))
