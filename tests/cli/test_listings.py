"""Listings: what the shop has, what our stock allows, and why nothing is sent where nothing is."""

from __future__ import annotations

from sqlalchemy import event

from extensions import writing
from models import Listing
from services.listings import queries
from tests.support.rows import make_integration, make_item, make_listing


def test_listings_are_shown_with_the_shops_quantity_and_ours(connected, practice):
    rows = connected.rows("listings", "list")
    assert len(rows) == len(practice.store.products) + len(practice.store.variants)
    products = {row["product_id"]: row for row in rows if row["kind"] == "product" and not row["note"]}
    for product_id, row in products.items():
        assert row["quantity"] == row["available"] == practice.store.amount(int(product_id))
        assert row["stock"] == [{"sku": row["sku"], "units": 1}]
    assert [row["sku"] for row in rows] == sorted(row["sku"] for row in rows)
    assert len(connected.rows("listings", "list", "practice", "--limit", "3")) == 3


def test_each_reason_not_to_send_is_named(commands):
    integration = make_integration()
    item = make_item("A", 7)
    reasons = {
        "counted": ({"counted": False}, "The shop does not count it."),
        "own": ({"own_stock": False}, "It takes its product's stock."),
        "replaced": ({"replaced": True}, "Its variants have stock of their own."),
        "switched": ({"do_not_push": True}, "Pushing is switched off for it."),
        "failed": ({"push_error": "The shop refused it."}, "The shop refused it."),
    }
    for sku, (values, _) in reasons.items():
        make_listing(integration, sku, 1, item=item, **values)
    make_listing(integration, "unlinked", 1)
    make_listing(integration, "well", 1, item=item)
    notes = {row["sku"]: row["note"] for row in commands.rows("listings", "list")}
    assert notes == {sku: note for sku, (_, note) in reasons.items()} | {"unlinked": "It is linked to no stock item.", "well": ""}
    assert "Pushing is switched off for it." in commands.done("listings", "list")


def test_what_is_gone_from_the_shop_is_not_shown(commands):
    integration = make_integration()
    make_listing(integration, "here", 1)
    make_listing(integration, "gone", 1)
    with writing() as session:
        session.query(Listing).filter_by(sku="gone").update({"gone_at": Listing.seen_at})
    assert [row["sku"] for row in commands.rows("listings", "list")] == ["here"]


def test_another_shops_listings_are_not_mixed_in(commands):
    for name in ("One", "Two"):
        make_listing(make_integration(name), name, 1)
    assert [(row["integration"], row["sku"]) for row in commands.rows("listings", "list")] == [("One", "One"), ("Two", "Two")]
    assert [row["sku"] for row in commands.rows("listings", "list", "two")] == ["Two"]


def test_a_long_list_asks_the_database_once_a_batch(app, db):
    integration, item = make_integration(), make_item("A")
    for number in range(60):
        make_listing(integration, f"S{number}", 1, item=item)
    statements: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda c, cursor, statement, *rest: statements.append(statement))
    assert sum(len(batch) for batch in queries.iter_listings()) == 60
    assert len([statement for statement in statements if "SELECT" in statement]) <= 3


def test_a_renamed_listing_is_listed_and_settled_by_command(commands, db):
    integration = make_integration("One")
    item = make_item("X", 7)
    listing = make_listing(integration, "X-2", 7, item=item, rename_state="decide", renamed_from="X")
    rows = commands.rows("listings", "renamed", "one")
    assert [(row["sku"], row["renamed_from"]) for row in rows] == [("X-2", "X")]
    assert "say whether" in rows[0]["note"]
    assert "Choose whether" in commands.refused("listings", "settle-rename", "One", listing.external_id)
    assert "no listing 'product:999'" in commands.refused("listings", "settle-rename", "One", "product:999", "--same")
    assert "X-2 keeps its stock item." in commands.done("listings", "settle-rename", "One", listing.external_id, "--same")
    assert commands.rows("listings", "renamed") == []


def test_listings_missing_from_a_reading_are_shown_and_approved(connected, practice):
    for product_id in list(practice.store.products)[:15]:
        practice.store.delete_product(product_id)
    answer = connected.call("sync", "listings", "practice", "--now")
    assert "count as gone once a second reading lacks them too" in answer.output
    shown = connected.done("listings", "missing", "practice")
    assert "flask --app app listings approve 'Practice'" in shown
    assert "as gone from Practice." in connected.done("listings", "approve", "practice")
    assert "nothing was missing from the last reading" in connected.done("listings", "missing", "practice")
