"""The lines, in the order they are printed."""

from bench.frame import Line
from bench.lines import order_download

LINES = (Line("order_download_ratio", 1.5, order_download.measure_ratio),)
