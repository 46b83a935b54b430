"""A shop that was upgraded from X-Cart 5.4 to 5.5: its variants have other external ids, and are the same goods."""

from __future__ import annotations

from sqlalchemy import select

from extensions import db, writing
from models import Integration, Listing, Order
from practice_shop import PracticeShop, Store
from services.listings import manual_links
from services.onboarding import reauthorise
from services.stock import items
from tests.support.shops import checked, connect, do


def variants() -> dict[str, Listing]:
    db.session.rollback()
    return {
        row.sku: row for row in db.session.scalars(select(Listing).where(Listing.kind == "variant", Listing.gone_at.is_(None)))
    }


def test_variants_keep_their_links_and_settings_through_an_upgrade(app):
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=10)
    shirt = store.add_product(sku="SHIRT", name="Shirt", price=10, amount=0)
    pack, large = (store.add_variant(shirt, sku=sku, amount=10) for sku in ("SHIRT-PACK", "SHIRT-L"))
    with PracticeShop(store=store) as shop:
        integration_id = connect(shop)
        do(integration_id, "stock")
        manual_links.link_listing(variants()["SHIRT-PACK"].id, [("CUP", 2)], "test")
        manual_links.set_do_not_push([variants()["SHIRT-L"].id], True, "test")
        store.place_order(lines=[((shirt, pack), 1)])
        do(integration_id, "orders")
        with writing() as session:
            session.get_one(Integration, integration_id).safety_limit_percent = 100
        do(integration_id, "stock")
        assert store.variant_amount(pack) == 4
        before = {row.id for row in variants().values()}
    with PracticeShop(store=store, generation="api") as upgraded:
        reauthorise.apply_reauthorisation(integration_id, checked(upgraded.url, upgraded.key), upgraded.key, [], "test")
        items.set_stock("SHIRT-L", 3, "test")
        for kind in ("orders", "listings", "stock"):
            assert do(integration_id, kind).outcome == "done"
        store.place_order(lines=[((shirt, pack), 1)])
        do(integration_id, "orders")
        assert do(integration_id, "stock").outcome == "done"
    found = variants()
    assert ({row.id for row in found.values()}, found["SHIRT-PACK"].external_id) == (before, f"variant:{shirt}/{pack}")
    assert (store.variant_amount(pack), store.variant_amount(large)) == (3, 10)
    assert items.find_stock_item("CUP").reserved == 4
    assert [order.state for order in db.session.scalars(select(Order))] == ["ready", "ready"]
    assert db.session.query(Listing).count() == 4
