"""Base classes of bodies that are sent or received in pieces, in pairs of an async and a sync one."""

from httpx import AsyncByteStream
from httpx import SyncByteStream as ByteStream

__all__ = ["AsyncByteStream", "ByteStream"]
