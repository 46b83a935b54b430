"""Ways in which a schedule's shops misbehave, as the practice shop is told (practice_shop/faults.py)."""

from __future__ import annotations

from typing import Any

SHOP_FAULTS: tuple[dict[str, Any], ...] = (
    {"reset": "before"}, {"reset": {"value": "before", "times": 2}}, {"reset": {"value": "middle", "times": 2}},
    {"status_500": True}, {"status_500": {"value": True, "times": 1}}, {"status": {"value": 503, "times": 4}},
    {"status": {"value": 503, "retry_after": 120}}, {"status": {"value": 429, "retry_after": 60, "times": 2}},
    {"status": {"value": 502, "every": 3}}, {"truncate": {"value": True, "every": 2}}, {"bad_json": {"value": True, "times": 3}},
    {"html": {"value": True, "times": 2}}, {"error_after_write": True}, {"error_after_write": {"value": True, "times": 1}},
    {"reset": {"value": "before", "method": "PUT"}}, {"reset": {"value": "middle", "method": "PUT", "times": 1}},
    {"latency_ms": {"value": 450.0, "times": 1}}, {"latency_ms": {"value": 450.0, "times": 1, "method": "PUT"}},
)  # fmt: skip
ONE_PAGE: tuple[dict[str, Any], ...] = ({"status_500": {"value": True, "match": "limit%5D%5B0%5D=2"}}, {"status_500": {"value": True, "match": "page=2"}},
            {"status_500": {"value": True, "match": "order/"}}, {"status_500": {"value": True, "match": "product"}})  # fmt: skip
LIES: tuple[dict[str, Any], ...] = (
    {"duplicate_page": {"value": True, "times": 2}}, {"duplicate_page": {"value": True, "every": 2}},
    {"shifted_page": {"value": 1, "times": 2}}, {"shifted_page": {"value": -1, "times": 2}},
    {"missing_rows": {"value": 1, "times": 2}}, {"missing_rows": 2}, {"old_data": True},
)  # fmt: skip
