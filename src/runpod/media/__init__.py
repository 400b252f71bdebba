"""Pictures, sound, video and other files: in outputs and in inputs."""

from runpod.media.file import File
from runpod.media.file_store import FileStore
from runpod.media.finder import find
from runpod.media.item import Media

__all__ = ["File", "FileStore", "Media", "find"]
