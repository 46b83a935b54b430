"""The lines, in the order they are printed."""

from bench.frame import Line
from bench.lines import (
    fairness,
    growth_integrations,
    growth_orders,
    growth_products,
    idle_tick,
    order_download,
    order_requests,
    pages,
    stock_push,
    worker_memory,
)

LINES = (
    Line("order_download_ratio", 1.5, order_download.measure_ratio),
    Line("order_requests", 1, order_requests.measure),
    Line("stock_push_requests", 1 / 50, stock_push.measure_requests),
    Line("stock_push_speed", 10, stock_push.measure_speed, unit=" ×", at_least=True),
    Line("idle_tick_requests", 1, idle_tick.measure_requests),
    Line("idle_tick_scans", 0, idle_tick.measure_scans),
    Line("worker_memory_50k", 60, worker_memory.measure, unit=" MiB", seconds=420),
    Line("list_page_ratio", 1.5, pages.measure_list),
    Line("toggle_ratio", 1.5, pages.measure_toggle),
    Line("door_ratio", 1.3, pages.measure_door),
    Line("page_weight_kb", 120, pages.measure_weight, unit=" kB"),
    Line("growth_order", 0.15, growth_orders.measure_download, seconds=420),
    Line("growth_order_page", 0.15, growth_orders.measure_list),
    Line("growth_evaluation", 0.15, growth_orders.measure_evaluation),
    Line("growth_idle_tick", 0.15, growth_orders.measure_tick),
    Line("growth_listings", 1.1, growth_products.measure_reading, seconds=420),
    Line("growth_linking", 1.1, growth_products.measure_linking),
    Line("growth_push", 1.1, growth_products.measure_push),
    Line("growth_tick", 0.15, growth_integrations.measure_tick),
    Line("growth_due_tick", 1.1, growth_integrations.measure_due_tick),
    Line("growth_list_page", 0.15, growth_integrations.measure_list),
    Line("fairness_ratio", 2, fairness.measure, seconds=600),
)
