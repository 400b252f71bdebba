"""The rate limits of the management API, and the headers that show them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ManagementLimits"]

# Requests and seconds of each window, as documented.
_WINDOWS = {"minute": (60, 60), "hour": (3000, 3600), "day": (50_000, 86_400)}
_POLICY = ", ".join(f'"{name}";q={quota};w={seconds}' for name, (quota, seconds) in _WINDOWS.items())


class ManagementLimits:
    """Counts requests in windows that begin with a request. Used only on the server's event loop.

    Args:
        clock: Clock for the windows.
        enforced: Whether requests beyond the limits are refused.
    """

    def __init__(self, clock: Callable[[], float], *, enforced: bool) -> None:
        self._clock = clock
        self._enforced = enforced
        self._windows: dict[str, tuple[float, int]] = dict.fromkeys(
            _WINDOWS, (0.0, 0)
        )  # When each ends, and its requests.

    def __repr__(self) -> str:
        return f"<ManagementLimits {self._windows}>"

    def count(self) -> tuple[dict[str, str], int | None]:
        """Count a request.

        Returns:
            The headers of its response, and the seconds to wait if it exceeds a limit.
        """
        now, shown = self._clock(), list[str]()
        wait: int | None = None
        for name, (quota, seconds) in _WINDOWS.items():
            end, used = self._windows[name]
            if now >= end:
                end, used = now + seconds, 0
            rest = math.ceil(round(end - now, 3))
            if self._enforced and used >= quota:
                wait = max(wait or 0, rest)
            else:
                used += 1
            self._windows[name] = end, used
            shown.append(f'"{name}";r={max(quota - used, 0)};t={rest}')
        headers = {"ratelimit": ", ".join(shown), "ratelimit-policy": _POLICY}
        return ({**headers, "retry-after": str(wait)} if wait is not None else headers), wait
