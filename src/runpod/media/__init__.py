"""Pictures, sound, video and other files in outputs."""

from runpod.media.item import Media

__all__ = ["Media"]
