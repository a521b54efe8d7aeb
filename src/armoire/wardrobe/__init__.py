"""A trained model with the latents of its data, and what one does there."""

from armoire.wardrobe.latents import Latents, encode_set
from armoire.wardrobe.wardrobe import Wardrobe, train

__all__ = ["Latents", "Wardrobe", "encode_set", "train"]
