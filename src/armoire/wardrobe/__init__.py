"""A trained model with the latents of its data, and what one does there."""

from armoire.wardrobe.directions import METHODS, Direction, Method
from armoire.wardrobe.latents import Latents, encode_set
from armoire.wardrobe.training import train
from armoire.wardrobe.wardrobe import RunLike, Wardrobe

__all__ = ["METHODS", "Direction", "Latents", "Method", "RunLike", "Wardrobe", "encode_set", "train"]
