"""Labels of orders that stand together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.order_basics.labels import Named, labels

AT = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)


def test_orders_of_one_number_are_distinguished_by_as_little_as_it_takes():
    orders = [
        Named(1, "6", "Outlet", "60", AT), Named(2, "7", "Outlet", "61", AT), Named(3, "7", "Market", "61", AT),
        Named(4, "8", "Outlet", "62", AT), Named(5, "8", "Outlet", "63", None), Named(6, "8", "Market", "62", AT),
        Named(7, "9", "Outlet", "64", AT), Named(8, "9", "Outlet", "64", AT + timedelta(days=1)),
    ]  # fmt: skip
    assert list(labels(orders).values()) == [
        "6", "7 (Outlet)", "7 (Market)", "8 (Outlet, ID 62)", "8 (Outlet, ID 63)", "8 (Market)", "9 (placed 2026-11-03 09:30 UTC)",
        "9 (placed 2026-11-04 09:30 UTC)",
    ]  # fmt: skip
    assert labels([]) == {}
