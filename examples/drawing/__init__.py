"""Draw a horse the size of a Boeing 787, with nothing but the standard library.

`draw(prompt)` gives the bytes of a PNG. The same prompt gives the same picture every time; the time
of day, the coat, the weather and the airline follow from its text.
"""

from .scene import draw

__all__ = ["draw"]
