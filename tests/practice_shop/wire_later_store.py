"""Stores holding what the shops of the later recordings held, as far as their answers show it."""

from __future__ import annotations

from practice_shop import Store
from practice_shop.records import Address, Item, Order, Profile, Surcharge, Tracking, Transaction
from tests.practice_shop.wire import Exchange
from tests.practice_shop.wire_api_store import _item, _profile, seconds
from tests.practice_shop.wire_store import surcharge

UNPRINTABLE = {"addon": 3003, "api": 75}


def build_addon(exchanges: list[Exchange], now: int) -> Store:
    """The X-Cart 5.4 shop of ``xcart-5.4-wire-later.jsonl``."""
    store = Store(clock=lambda: now)
    store.url = "http://shop.example"
    store.add_status("shipping", None, "On its way", 25)
    products, orders, full = {}, {}, {}
    for exchange in exchanges:
        found = exchange.json
        for row in found if isinstance(found, list) else [found]:
            if isinstance(row, dict) and "inventoryEnabled" in row:
                products.setdefault(row["product_id"], row)
            elif isinstance(row, dict) and "lastRenewDate" in row:
                orders.setdefault(row["order_id"], row)
            elif isinstance(row, dict) and "orderId" in row:
                full[row["orderId"]] = row
    for product_id, row in products.items():
        _addon_product(store, product_id, row)
    store.add_product(id=20, sku="CUP-020", name="Tasse Nº 20", price=57.84, amount=5, weight=0.5, description="", brief="")
    parent = store.add_product(id=111, sku="SHIRT-1", name="Shirt", price=33.3, amount=10)
    for row in next(each.json for each in exchanges if "productvariant" in each.path):
        store.add_variant(
            parent, id=row["id"], sku=row["sku"], amount=row["amount"], price=row["price"], default_price=row["defaultPrice"],
            default_amount=row["defaultAmount"], default_value=row["defaultValue"], attributes={"Size": str(row["id"])},
        )  # fmt: skip
    for order_id, row in orders.items():
        store.adopt_order(_addon_order(order_id, row, full.get(order_id)))
    # The first orders of the list changed in the same second; nothing recorded says why they came in this order.
    for place, order_id in enumerate((3014, 3015, 3017, 3016)):
        store.order(order_id).renewed += 4 - place
    # As recorded: order 3003 changed in the same second as 3002, which came first.
    store.order(UNPRINTABLE["addon"]).renewed -= 1
    return store


def _addon_product(store: Store, product_id: int, row: dict) -> None:
    sold = row.get("order_items", [{}])
    store.add_product(
        id=product_id, sku=row["sku"], name=sold[0].get("name", row["sku"]), price=row["price"],
        amount={2: 10, 3: 10}.get(product_id, row["amount"]), inventory_enabled=row["inventoryEnabled"], weight=row["weight"],
        created=row["date"], updated=row["date"], arrival=row["arrivalDate"], sales=row["sales"], need_process=row["needProcess"],
    )  # fmt: skip


def _addon_order(order_id: int, row: dict, full: dict | None) -> Order:
    address = Address("Ünal", "Žižka", "Allee 1", "Berlin", "10115", "DE", "", "")
    profile = Profile(109, "kundé@example.org", True, row["date"], address, address)
    line = full["items"][0] if full else {"sku": "OLD", "name": "x", "price": row["subtotal"], "productId": 20}
    item = Item(order_id, order_id, line["productId"], None, line["sku"], line["name"], line["price"], line["price"], 1)
    return Order(
        id=order_id, number=row["orderNumber"], date=row["date"], renewed=row["lastRenewDate"],
        payment_id=None if full else 4, shipping_id=1, subtotal=row["subtotal"], total=row["total"],
        profile=None if order_id == UNPRINTABLE["addon"] else profile, items=[item],
        surcharges=[Surcharge(order_id, "shipping", "SHIPPING", "Shipping", row["total"] - row["subtotal"])],
        payment_method=row["payment_method_name"], method_id=row["shipping_id"], method_name=row["shipping_method_name"],
        stock_status=row["stockStatus"], recent=row["recent"],
    )  # fmt: skip


def build_api(exchanges: list[Exchange], now: int) -> Store:
    """The X-Cart 5.5 shop of ``xcart-5.5-wire-later.jsonl``."""
    store = Store(clock=lambda: now)
    store.url = "http://shop.example"
    orders, products = {}, {}
    for exchange in exchanges:
        found = exchange.json
        for row in found if isinstance(found, list) else [found]:
            if isinstance(row, dict) and "order_number" in row:
                orders.setdefault(row["id"], row)
            elif isinstance(row, dict) and "inventory_traceable" in row:
                products.setdefault(row["id"], row)
    for product_id, row in products.items():
        store.add_product(
            id=product_id, sku=row["sku"], name=row["name"], price=row["price"], amount=row["amount"], weight=row["weight"],
            inventory_enabled=row["inventory_traceable"], description=row["description"], brief=row["brief_description"],
            created=seconds(row["create_date"]), updated=seconds(row["update_date"]), arrival=seconds(row["arrival_date"]),
        )  # fmt: skip
    for row in next(each.json for each in exchanges if each.target.endswith("/variants")):
        store.add_variant(
            11, id=row["id"], sku=row["sku"], amount=row["amount"], price=row["price"], default_price=row["default_price"],
            default_amount=row["default_amount"], default_value=row["default_variant"], attributes={"Colour": str(row["id"])},
        )  # fmt: skip
    for row in orders.values():
        status = row["shipping_status"]
        store.change_status_row("shipping", store.status("shipping", status["id"]), code=status["code"])
        store.status("shipping", status["id"]).name = status["name"]
    newest_first = [each.json[0]["id"] for each in exchanges if each.method == "GET" and _one_a_page(each)]
    latest = now - 100
    for place, order_id in enumerate(newest_first):
        store.adopt_order(_api_order(orders[order_id], latest - place))
    for order_id in sorted(orders.keys() - set(newest_first)):
        store.adopt_order(_api_order(orders[order_id], latest - 1000))
    store.adopt_order(_unprintable(exchanges, latest + 1))
    return store


def _one_a_page(exchange: Exchange) -> bool:
    return "itemsPerPage=1&" in exchange.target and exchange.status == 200


def _api_order(row: dict, renewed: int) -> Order:
    return Order(
        id=row["id"], number=row["order_number"], date=seconds(row["create_date"]), renewed=renewed,
        payment_id=row["payment_status"]["id"], shipping_id=row["shipping_status"]["id"], currency=row["currency"],
        subtotal=row["sub_total"], total=row["total"], profile=_profile(row), items=[_item(row["id"], item) for item in row["items"]],
        surcharges=[surcharge({"weight": 0, **each}) for each in row["surcharges"]], method_id=row["shipping_id"],
        method_name=row["shipping_method_name"], notes=row["notes"], admin_notes=row["admin_notes"],
        stock_status=row["stock_status"], customer=_customer(row),
        trackings=[Tracking(each["id"], row["id"], each["value"], seconds(each["date"])) for each in row["tracking_numbers"]],
    )  # fmt: skip


def _customer(row: dict) -> Profile | None:
    return None if row["customer_id"] is None else Profile(row["customer_id"], row["email"], False, seconds(row["create_date"]))


def _unprintable(exchanges: list[Exchange], renewed: int) -> Order:
    """Order 75: one of its items lost its product, and only its sub-resources answer."""
    paid = next(each.json for each in exchanges if each.target.endswith("/payment_transactions"))[0]
    item = Item(1, 75, None, None, "GONE", "Gone", paid["value"], paid["value"], 1)
    transaction = Transaction(
        paid["id"], seconds(paid["date"]), paid["public_id"], paid["name"], paid["local_name"], "S", paid["value"]
    )
    address = Address("Anna", "Müller", "1 Main St", "New York", "10001", "US", "NY", "555")
    return Order(
        id=75, number="1075", date=seconds(paid["date"]), renewed=renewed, payment_id=6, shipping_id=3, total=paid["value"],
        subtotal=paid["value"], profile=Profile(75, "o1075@example.com", True, 0, address, address), items=[item],
        transactions=[transaction],
    )  # fmt: skip
