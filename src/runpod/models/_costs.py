"""The cost of a job, which public endpoints put into their outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from runpod.models._base import received_number

# Larger costs and durations are invalid. This also keeps sums finite.
_MAX = 1e12


def cost_of(output: Any) -> float | None:
    """The cost in an output: its `cost`, or the sum of those in a list of outputs; None if there is none."""
    if isinstance(output, (list, tuple)):
        costs = [cost for each in cast("list[Any]", output) if (cost := _own_cost(each)) is not None]
        return math.fsum(costs) if costs else None
    return _own_cost(output)


def _own_cost(output: Any) -> float | None:
    # Most outputs without a cost are text or numbers, which have no such attribute.
    is_mapping = isinstance(output, Mapping)
    value: Any = cast("Mapping[str, Any]", output).get("cost") if is_mapping else getattr(output, "cost", None)
    return valid_amount(float(value) if isinstance(value, Decimal) and value.is_finite() else value)


def valid_amount(value: Any) -> float | None:
    """A number that can be a cost or a duration, as a float; None for anything else."""
    number = received_number(value)
    return float(number) if number is not None and 0 <= number < _MAX else None
