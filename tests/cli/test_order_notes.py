"""``flask orders tag`` and ``note``."""

from __future__ import annotations

import json

from services.orders import notes, tags
from tests.support.rows import make_integration, make_order


def test_orders_are_tagged_noted_and_listed_by_tag(app):
    shop = make_integration()
    first, second = (make_order(shop, number, []).id for number in ("1001", "1002"))
    run = app.test_cli_runner().invoke
    assert run(args=["orders", "tag", "1001", "--add", "gift", "--add", "b2b"]).output == "Order 1001: b2b, gift.\n"
    assert run(args=["orders", "tag", "1001", "--remove", "b2b"]).output == "Order 1001: gift.\n"
    assert "1002" not in run(args=["orders", "list", "--tag", "gift"]).output
    assert "no such orders" in run(args=["orders", "list", "--tag", "other"]).output
    run(args=["orders", "note", "1002", "Call first."])
    shown = json.loads(run(args=["orders", "show", "1002", "--json"]).output)
    assert (shown["internal_notes"][0]["text"], shown["tags"]) == ("Call first.", [])
    assert tags.of_orders([first, second]) == {first: ["gift"]} and notes.of_orders([second])[second]
