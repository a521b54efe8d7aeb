"""Pictures that commands write: grids, strips, animations, arrays and folders, each atomically."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from armoire.cli.arguments import is_folder
from armoire.errors import ArmoireError

if TYPE_CHECKING:
    import numpy as np


def save_images(images: np.ndarray, to: str) -> None:
    """Save images (n, h, w, c) as a grid (.png), an array (.npy), or a folder of one PNG each."""
    import io

    import numpy as np

    from armoire.images.grid import enlargement, image_grid, png, save_png
    from armoire.io.files import atomic_folder, write_bytes

    out = Path(to).expanduser()
    if is_folder(to) and not out.is_file() and not (out.is_dir() and any(out.iterdir())):
        with atomic_folder(out) as folder:
            for i, image in enumerate(images):
                (folder / f"{i:0{len(str(len(images)))}d}.png").write_bytes(png(image))
    elif out.suffix.lower() == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, images, allow_pickle=False)
        write_bytes(out, buffer.getvalue())
    elif out.suffix.lower() == ".png":
        columns = max(1, round((len(images) * 2) ** 0.5)) if len(images) > 6 else len(images)
        save_png(out, image_grid(images, columns), enlargement(images))
    else:
        raise ArmoireError(f"--out should end in .png or .npy, or be a new or empty folder, which {to} is not")


def save_strip(images: np.ndarray, out: Path) -> list[str]:
    """Save images side by side (.png), or as an animation (.gif); returns the position of each, in words."""
    from armoire.images.grid import enlargement, even_columns, gif, image_grid, save_png
    from armoire.io.files import write_bytes

    if out.suffix.lower() == ".gif":
        write_bytes(out, gif(images, enlargement(images)))
        return [f"frame {i + 1}" for i in range(len(images))]
    columns = even_columns(len(images))
    save_png(out, image_grid(images, columns), enlargement(images))
    if columns == len(images):
        return [f"column {i + 1}" for i in range(columns)]
    return [f"row {i // columns + 1}, column {i % columns + 1}" for i in range(len(images))]
