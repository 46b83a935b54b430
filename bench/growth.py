"""How a cost grows with the size of something: measured at a few sizes, and fitted.

The figure is the exponent of the power of the size that the cost follows: the slope of a straight line through the points, both
axes logarithmic. 1 is linear work, 0 does not depend on the size at all; over a hundredfold growth, 0.15 is a factor of two.

Processor time is what is measured: how busy the machine is does not change it much, and of all that grows here nothing waits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from bench.frame import Measured


def exponent(costs: Mapping[int, float]) -> float:
    """The slope of least squares through (size, cost), both as logarithms."""
    points = [(math.log(size), math.log(cost)) for size, cost in costs.items()]
    across = sum(x for x, _ in points) / len(points)
    up = sum(y for _, y in points) / len(points)
    return sum((x - across) * (y - up) for x, y in points) / sum((x - across) ** 2 for x, _ in points)


def fitted(costs: Mapping[int, float], **details: Any) -> Measured:
    """``costs`` are seconds of processor time by size."""
    shown = {str(size): round(cost * 1000, 3) for size, cost in costs.items()}
    return Measured(exponent(costs), {"milliseconds_by_size": shown, **details})


def processor_seconds(act: Callable[[], Any], times: int = 1) -> float:
    """What ``act`` takes of this process's processor time: the median of ``times``."""
    taken = []
    for _ in range(times):
        started = time.process_time()
        act()
        taken.append(time.process_time() - started)
    return median(taken)


def spread_sizes(smallest: int, largest: int, number: int) -> Sequence[int]:
    """So many sizes, each the same factor larger than the one before."""
    factor = (largest / smallest) ** (1 / (number - 1))
    return [round(smallest * factor**step) for step in range(number)]
