"""Pictures, sound, video and other files in outputs."""

from runpod.media.finder import find
from runpod.media.item import Media

__all__ = ["Media", "find"]
