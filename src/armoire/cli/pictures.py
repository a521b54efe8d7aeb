"""Pictures that commands write: grids, strips, animations, arrays and folders, each atomically."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from armoire.errors import ArmoireError

if TYPE_CHECKING:
    import numpy as np


def check_suffix(out: Path, *suffixes: str) -> None:
    """Raise an ArmoireError unless --out has one of these suffixes."""
    if out.suffix.lower() not in suffixes:
        raise ArmoireError(f"--out should be a {' or '.join(suffixes)} file, not {out}")


def save_images(images: np.ndarray, out: Path) -> None:
    """Save images (n, h, w, c) as a grid (.png), an array (.npy), or a folder of one PNG each."""
    import io

    import numpy as np

    from armoire.images.grid import enlargement, image_grid, png, save_png
    from armoire.io.files import atomic_folder, write_bytes

    if out.suffix.lower() == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, images, allow_pickle=False)
        write_bytes(out, buffer.getvalue())
    elif out.suffix.lower() == ".png":
        columns = max(1, round((len(images) * 2) ** 0.5)) if len(images) > 6 else len(images)
        save_png(out, image_grid(images, columns), enlargement(images))
    else:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ArmoireError(f"{out} exists; choose a new folder, or an --out that ends in .png or .npy")
        if out.suffix and not out.exists():
            raise ArmoireError(f"--out should be a .png or .npy file or a folder, not {out}")
        with atomic_folder(out) as folder:
            for i, image in enumerate(images):
                (folder / f"{i:0{len(str(len(images)))}d}.png").write_bytes(png(image))


def save_strip(images: np.ndarray, out: Path) -> list[str]:
    """Save images side by side (.png), or as an animation (.gif); returns the position of each, in words."""
    from armoire.images.grid import enlargement, even_columns, gif, image_grid, save_png
    from armoire.io.files import write_bytes

    n, columns = len(images), even_columns(len(images))
    if out.suffix.lower() == ".gif":
        write_bytes(out, gif(images, enlargement(images)))
        return [f"frame {i + 1}" for i in range(n)]
    save_png(out, image_grid(images, columns), enlargement(images))
    if n == columns:
        return [f"column {i + 1}" for i in range(n)]
    return [f"row {i // columns + 1}, column {i % columns + 1}" for i in range(n)]
