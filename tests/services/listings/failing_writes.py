"""A shop behind a proxy that answers writes in its place, and what is asked of it there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select, update

from extensions import writing
from models import Flow, Listing, SyncRun
from models.types import utcnow
from practice_shop import PracticeShop, Store
from practice_shop.proxy import Proxy, Rule
from services.sync import execution, schedule
from tests.support.proxied import Proxied
from tests.support.rows import import_stock
from tests.support.shops import add, do

PAGE = "<!DOCTYPE html><html><head><title>Shop</title></head><body>Welcome</body></html>"
CAPTCHA = "<html><head><title>Robot Challenge Screen</title></head><body>sgcaptcha</body></html>"
HTML = {"Content-Type": "text/html; charset=utf-8", "X-REST-Error": None}
FAILURES = {
    "500": {"status": 500, "body": PAGE, "headers": HTML},
    "502": {"status": 502, "body": PAGE, "headers": HTML},
    "408": {"status": 408, "body": "", "headers": HTML},
    "captcha": {"status": 202, "body": CAPTCHA, "headers": HTML},
    "page": {"status": 200, "body": PAGE, "headers": HTML},
    "cut": {"cut": "request"},
    "403 page": {"status": 403, "body": PAGE, "headers": HTML},
}
"""What answers a write in the shop's place; the shop sees nothing of it."""


@contextmanager
def thirty_products(generation: str, proxied: Proxied) -> Iterator[tuple[PracticeShop, Proxy]]:
    """(shop, proxy): a shop with 30 products and 2 variants, behind a proxy."""
    store = Store()
    for number in range(30):
        store.add_product(sku=f"SKU-{number:02}", name=f"Thing {number}", price=1, amount=10)
    parent = store.add_product(sku="SHIRT", name="Shirt", price=10, amount=9)
    for size in "ML":
        store.add_variant(parent, sku=f"SHIRT-{size}", amount=10)
    with PracticeShop(store=store, generation=generation) as shop:
        yield shop, proxied(shop)


def failing(name: str, **limits) -> Rule:
    way = FAILURES[name]
    return Rule(method="PUT POST", **way, **({} if "cut" in way else {"swallow": "request"}), **limits)


def settled(proxy, shop: PracticeShop) -> int:
    integration_id = add(proxy.url, shop.key)
    assert do(integration_id, "stock").outcome == "done"
    return integration_id


def set_all(quantities: dict[str, int]) -> None:
    import_stock(["sku,quantity\n", *(f"{sku},{quantity}\n" for sku, quantity in quantities.items())])


def there(shop: PracticeShop) -> dict[str, int]:
    found = {product.sku: product.amount for product in shop.store.products.values() if product.sku != "SHIRT"}
    return found | {variant.sku: variant.amount for variant in shop.store.variants.values()}


def states(db) -> dict[str, str]:
    db.session.rollback()
    found = {row.sku: row.push_state for row in db.session.scalars(select(Listing).where(Listing.push_state != ""))}
    db.session.rollback()
    return found


def make_due() -> None:
    """As if the waits were over: of rows and of runs."""
    with writing() as session:
        session.execute(update(Listing).where(Listing.push_due_at.is_not(None)).values(push_due_at=utcnow()))
        session.execute(update(Flow).where(Flow.kind == "stock").values(due_at=utcnow()))


def by_schedule() -> SyncRun | None:
    """The stock run that the schedule starts; None where none is due."""
    schedule.start_due_runs(kinds=("stock",))
    last = None
    for run_id in schedule.waiting_runs():
        last = execution.perform(run_id)
    return last
