"""A store holding what the recorded X-Cart 5.5 shop held.

It was the same shop as the recorded 5.4 one, moved on: what the 5.5 answers say is laid over that one's data.
"""

from datetime import datetime

from practice_shop import Store
from practice_shop.records import Address, Item, Order, Profile, Surcharge, Tracking
from tests.practice_shop import wire_store
from tests.practice_shop.wire import Exchange

RECORDED_FROM = "2026-11-23T11:"


class ApiFacts:
    """The orders, products and variants the answers show, the earliest word first."""

    def __init__(self, exchanges: list[Exchange]):
        self.orders: dict[int, dict] = {}
        self.products: dict[int, dict] = {}
        for exchange in exchanges:
            if not exchange.name.startswith("trap_") and exchange.method == "GET":
                self._walk(exchange.json)

    def _walk(self, node) -> None:
        for row in node if isinstance(node, list) else node.get("hydra:member", [node]) if isinstance(node, dict) else ():
            if isinstance(row, dict) and "order_number" in row and isinstance(row["id"], int):
                self.orders.setdefault(row["id"], row)
            elif isinstance(row, dict) and "inventory_traceable" in row:
                self.products.setdefault(row["id"], row)


def build(older: wire_store.Facts, facts: ApiFacts, now: int) -> Store:
    """The recorded shop before the first exchange."""
    store = wire_store.build(older, now)
    for product_id, row in facts.products.items():
        _lay_over_product(store, product_id, row)
    for order_id, row in facts.orders.items():
        previous = store.order(order_id)
        store.delete_order(order_id)
        store.adopt_order(_order(store, previous, row))
    return store


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _lay_over_product(store: Store, product_id: int, row: dict) -> None:
    product = store.products[product_id]
    for name in ("sku", "name", "price", "enabled", "weight", "amount", "free_shipping", "description"):
        setattr(product, name, row[name])
    product.brief = row["brief_description"]
    product.inventory_enabled = row["inventory_traceable"]
    product.created, product.updated = seconds(row["create_date"]), seconds(row["update_date"])
    product.arrival = seconds(row["arrival_date"])
    product.images = tuple(image["url"].rpartition("/")[2] for image in row["images"])


def _order(store: Store, previous: Order, row: dict) -> Order:
    profile = _profile(row)
    changed = row["update_date"]
    return Order(
        id=row["id"],
        number=previous.number,
        date=seconds(row["create_date"]),
        renewed=previous.renewed if changed.startswith(RECORDED_FROM) else seconds(changed),
        payment_id=row["payment_status"]["id"],
        shipping_id=row["shipping_status"]["id"],
        currency=row["currency"],
        subtotal=row["sub_total"],
        total=row["total"],
        profile=profile,
        customer=Profile(row["customer_id"], row["email"], False, profile.added),
        items=[_item(row["id"], item) for item in row["items"]],
        surcharges=[_surcharge(surcharge) for surcharge in row["surcharges"]],
        trackings=[Tracking(t["id"], row["id"], t["value"], seconds(t["date"])) for t in row["tracking_numbers"]],
        transactions=previous.transactions,
        payment_method=previous.payment_method,
        method_id=row["shipping_id"],
        method_name=row["shipping_method_name"],
        notes=row["notes"],
        admin_notes=row["admin_notes"],
        stock_status=row["stock_status"],
    )


def _profile(row: dict) -> Profile:
    known = row["billing_address"]
    address = Address(
        known["firstname"],
        known["lastname"],
        known["street"],
        known["city"],
        known["zipcode"],
        known["country_code"],
        "NY" if known["state"] is not None else "",
        known["phone"],
        known["state_name"],
        known["title"],
    )
    return Profile(row["order_profile_id"], row["email"], False, seconds(row["create_date"]), address, address)


def _item(order_id: int, row: dict) -> Item:
    return Item(
        id=row["id"],
        order_id=order_id,
        product_id=row["product_id"],
        variant_id=row["variant"],
        sku=row["sku"],
        name=row["name"],
        price=row["price"],
        net_price=row["item_net_price"],
        amount=row["amount"],
        discounted=row["discounted_subtotal"],
    )


def _surcharge(row: dict) -> Surcharge:
    return wire_store.surcharge(row)
