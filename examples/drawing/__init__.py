"""Draw a horse the size of a Boeing 787, with only the standard library.

`draw(prompt)` returns the bytes of a PNG. The same prompt always returns the same picture. The time of
day, coat, weather and airline depend on its text. `at_night(png)` darkens such a picture.
"""

from .canvas import at_night
from .scene import draw

__all__ = ["at_night", "draw"]
