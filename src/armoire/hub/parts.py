"""Which files of a run are uploaded and downloaded, and the largest size of each."""

from __future__ import annotations

from types import MappingProxyType

from armoire.io.files import LARGEST_TEXT

MODEL = "model.safetensors"
CARD = "README.md"
FIGURES = "figures"  # uploaded for the card, never downloaded

_GIGABYTE = 1 << 30
_TEXTS = ("recipe.toml", "history.csv", "evaluation.json", "editing.json", "diverged.json", "without.csv")
_DIRECTIONS = ("directions/difference.parquet", "directions/partial.parquet", "directions/logistic.parquet")
# Neither checkpoints nor what shows the data (previews, the explorer, the report).
PARTS = MappingProxyType(
    dict.fromkeys(_TEXTS, LARGEST_TEXT)
    | {"outliers.safetensors": _GIGABYTE}
    | dict.fromkeys((MODEL, "latents.parquet", *_DIRECTIONS), 8 * _GIGABYTE)
    | dict.fromkeys([f"priors/{kind}.safetensors" for kind in ("gmm", "flow", "neighbours")], 2 * _GIGABYTE)
)
REQUIRED = ("recipe.toml", MODEL)


def is_ours(name: str) -> bool:
    """Whether `armoire push` uploads a file of this name, and so may replace or remove it."""
    return name in PARTS or (name.startswith(f"{FIGURES}/") and name.endswith(".png"))
