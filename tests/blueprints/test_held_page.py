"""The page of held orders with several groups."""

from __future__ import annotations

from extensions import db
from models import Integration
from tests.blueprints.pages import elements
from tests.blueprints.rows import add_integration
from tests.support.rows import make_order
from tests.support.signed_in import FreshClient


def test_one_of_several_groups_has_the_primary_action(client: FreshClient) -> None:
    shop = db.session.get_one(Integration, add_integration())
    for number, code in (("1", "address"), ("2", "sums"), ("3", "unreadable"), ("4", "unreadable")):
        make_order(shop, number, [], state="on_hold", held_codes=[code], held_reason="Because of something.", reason_codes=[code])
    page = elements(client.get("/orders/held").text)
    assert len([each for each in page if each.tag == "h2" and (each.get("id") or "").startswith("group-")]) == 3
    primary = [each.text.strip() for each in page if each.tag == "button" and "btn-primary" in (each.get("class") or "")]
    assert sum(each.text.strip() == "Because of something." for each in page) == 3
    assert primary == ["Read again from the shop"]
