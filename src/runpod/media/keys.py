"""What the key of a value says about it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

# How likely the value of a key is media: nothing is known; it can be media or text (`url`, `result`, `data`); it is media
# if it can be (`image`, `audio_url`). Numbers rather than an enumeration, which would take half of the time of `find`.
ANYTHING, GENERIC, MEDIA = range(3)


class Key(NamedTuple):
    """What a key says about its value.

    Attributes:
        role: How likely the value is media.
        word: The name of a file without a name: image, audio, video or file.
    """

    role: int
    word: str = "file"


_WORDS = {
    "image": "image images img imgs picture pictures photo photos png jpg jpeg webp thumbnail thumbnails preview previews "
    "mask masks frame frames",
    "video": "video videos gif gifs clip clips movie movies animation animations mp4 webm",
    "audio": "audio audios sound sounds speech voice music song songs wav mp3",
    "file": "media artifact artifacts attachment attachments mesh meshes glb",
}
_MEDIA = {word: Key(MEDIA, name) for name, words in _WORDS.items() for word in words.split()}
_USUAL = [["message"], ["result"], ["results"], ["output"], ["outputs"], ["value"], ["b64", "json"]]

# What follows the word that counts: `image_url`, `audioBase64`, `video_1`.
_LINKS = frozenset(["url", "urls", "uri", "uris", "link", "links", "src", "href", "location"])
_FILES = frozenset(["file", "files"])
_FORMS = frozenset(["base64", "b64", "data", "content", "path", "bytes", "string", "str"]) | _LINKS | _FILES

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BREAK = re.compile(r"[^a-z0-9]+")
_LONGEST = 64

OTHER = Key(ANYTHING)
_LINK = Key(GENERIC)

# The whole output, and the items of an output that is a list.
TOP = Key(GENERIC)


@lru_cache(maxsize=1024)
def key_of(key: str) -> Key:
    """What a key says about its value.

    Example:
        >>> key_of("imageUrl")
        Key(role=2, word='image')
    """
    if len(key) > _LONGEST:
        return OTHER
    words = [word for word in _BREAK.split(_CAMEL.sub("_", key).lower()) if word and not word.isdigit()]
    forms = set[str]()
    while words and words[-1] in _FORMS:
        forms.add(words.pop())
    if not words:
        if forms & _FILES:
            return Key(MEDIA)
        return _LINK if forms - {"content", "bytes", "string", "str", "location"} else OTHER
    last = words[-1]
    found = _MEDIA.get(last) or _MEDIA.get(last.rstrip("0123456789"))
    if found:
        return found
    is_usual = words in _USUAL
    return _LINK if is_usual or forms & (_LINKS | _FILES) else OTHER


def below(key: Key, parent: Key) -> Key:
    """What a key in an object says, given the key of that object: `url` in `image` is an image."""
    if parent.role != MEDIA or key.role == MEDIA:
        return key
    return parent if key.role == GENERIC else Key(GENERIC, parent.word)
