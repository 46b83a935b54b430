"""A store holding what the recorded X-Cart 5.4 shop held, put together from its recorded answers.

What never shows in an answer is filled in so that the recorded searches still find what they found.
"""

from collections import defaultdict

from practice_shop import Store
from practice_shop.records import Address, Detail, Event, Item, Order, Profile, Surcharge, Tracking, Transaction
from tests.practice_shop.wire import Exchange

PRODUCTS, ORDERS, MISSING_ORDER = 160, 121, 6
FIRST_DATE, DATE_STEP, FIRST_DATED = 1789430400, 43200, 9
GUEST = (1, "bit-bucket@example.com", "Guest", "Guest", True)
DEMO_ORDERS, RECORDED_FROM = 5, 1795427100
INITIAL_EVENTS, INITIAL_TRACKINGS, INITIAL_SURCHARGES = 20, 29, 121
CUSTOMERS = (
    (8, "anna.mueller@example.com", "Anna", "Müller", False),
    (9, "john.o-brien@example.com", "John", "O'Brien", False),
    (10, "zoe@example.com", "Zoë", "Nguyễn", True),
)
SEARCHES = (
    ("sku", "order", "order_id"),
    ("paymentStatus", "order", "order_id"),
    ("substring", "product", "product_id"),
)
OTHER_COLUMNS = ("demo", "participateSale", "salePriceValue", "boxWidth", "itemsPerBox", "taxable")


class Facts:
    """Everything the answers say, the earliest word first."""

    def __init__(self, exchanges: list[Exchange]):
        self.products: dict[int, dict] = {}
        self.product_texts: dict[int, dict] = {}
        self.variants: dict[int, dict] = {}
        self.variant_products: dict[int, int] = {}
        self.order_rows: dict[int, dict] = {}
        self.order_singles: dict[int, dict] = {}
        self.order_complex: dict[int, dict] = {}
        self.product_of_sku: dict[str, int] = {}
        self.renewed: dict[int, int] = {}
        self.late_surcharges: dict[int, tuple[list, float]] = {}
        self.searched: dict[str, tuple[str, set[int]]] = {}
        self.tracking_rows: list[dict] = []
        self.events: dict[int, tuple[int, dict]] = {}
        for exchange in exchanges:
            self._read(exchange)
        self._deleted_product(exchanges)

    def _read(self, exchange: Exchange) -> None:
        body = exchange.json
        if exchange.path == "ordertrackingnumber" and exchange.method == "GET" and not self.tracking_rows:
            self.tracking_rows = body
        for condition, path, key in SEARCHES:
            value = exchange.query.get(f"_cnd[{condition}]")
            if value and exchange.path == path and isinstance(body, list) and body and key in body[0]:
                self.searched.setdefault(condition, (value, {row[key] for row in body}))
        if exchange.path.startswith("orderhistoryevents/") and isinstance(body, dict):
            self.events[body["event_id"]] = (body["order"]["order_id"], body)
        self._walk(body, exchange)

    def _walk(self, node, exchange: Exchange) -> None:
        if isinstance(node, list):
            for row in node:
                self._walk(row, exchange)
        if not isinstance(node, dict):
            return
        if "entityVersion" in node:
            self._product(node)
        if "variant_id" in node:
            self.variants.setdefault(node["id"], node)
        if "lastRenewDate" in node:
            self._order(node, exchange)
        if "orderId" in node and "items" in node:
            self.order_complex.setdefault(node["orderId"], node)
        if "productId" in node and "sku" in node:
            self._complex_product(node)
        for value in node.values():
            self._walk(value, exchange)

    def _product(self, node: dict) -> None:
        self.products.setdefault(node["product_id"], node)
        for variant in node.get("variants", ()):
            self.variant_products[variant["id"]] = node["product_id"]
        for text in node.get("translations", ()):
            self.product_texts.setdefault(node["product_id"], {}).setdefault("name", text["name"])

    def _complex_product(self, node: dict) -> None:
        if node["productId"] is None:
            return
        self.product_of_sku.setdefault(node["sku"], node["productId"])
        text = self.product_texts.setdefault(node["productId"], {})
        for key in ("name", "description", "shortDescription", "image", "weight"):
            if key in node:
                text.setdefault(key, node[key])

    def _order(self, node: dict, exchange: Exchange) -> None:
        order_id = node["order_id"]
        self.order_rows.setdefault(order_id, node)
        self.renewed[order_id] = min(node["lastRenewDate"], self.renewed.get(order_id, node["lastRenewDate"]))
        if "paymentStatus" not in node:
            return
        self.order_singles.setdefault(order_id, node)
        late = [row for row in node["surcharges"] if row["id"] > INITIAL_SURCHARGES]
        if late:
            self.late_surcharges[order_id] = (late, node["total"])

    def _deleted_product(self, exchanges: list[Exchange]) -> None:
        """The product one exchange deletes is the one an order has lost afterwards."""
        deleted = next(int(e.path.partition("/")[2]) for e in exchanges if e.name == "500-delete-ordered-product")
        for order in self.order_complex.values():
            for item in order["items"]:
                if item["productId"] is None:
                    self.product_of_sku[item["sku"]] = deleted
                    self.product_texts.setdefault(deleted, {})["name"] = item["name"]


def build(facts: Facts, now: int) -> Store:
    """The recorded shop before the first exchange, its clock standing at `now`."""
    store = Store(clock=lambda: now)
    store.url = "http://shop.example"
    _products(store, facts)
    for variant_id, row in sorted(facts.variants.items()):
        size = row["sku"].rpartition("-")[2]
        store.add_variant(
            facts.variant_products.get(variant_id, 155 + (variant_id - 1) // 3),
            id=variant_id,
            sku=row["sku"],
            amount=row["amount"] if variant_id > 3 else 10 * variant_id,
            attributes={"Size": size},
            price=row["price"],
            default_price=row["defaultPrice"],
            default_value=row["defaultValue"],
        )
    trackings = _trackings(facts)
    for order_id in range(1, ORDERS + 1):
        if order_id != MISSING_ORDER:
            store.adopt_order(_order(store, facts, order_id, trackings[order_id]))
    store.reserve_ids("tracking", INITIAL_TRACKINGS)
    store.reserve_ids("event", INITIAL_EVENTS)
    return store


def _products(store: Store, facts: Facts) -> None:
    sku_of = {product_id: sku for sku, product_id in facts.product_of_sku.items()}
    for product_id in range(1, PRODUCTS + 1):
        row = facts.products.get(product_id, {})
        text = facts.product_texts.get(product_id, {})
        made = row.get("date", 1795427187)
        word, found_by_word = facts.searched["substring"]
        extra = {key: row[key] for key in OTHER_COLUMNS if key in row}
        store.add_product(
            id=product_id,
            sku=row.get("sku", sku_of.get(product_id, f"TST-{product_id:05d}")),
            name=text.get("name", word if product_id in found_by_word else f'Test product №{product_id} "quoted" & <tag>'),
            price=row.get("price", 30.5),
            amount=row.get("amount", 25),
            inventory_enabled=row.get("inventoryEnabled", True),
            enabled=row.get("enabled", True),
            weight=text.get("weight", row.get("weight", 1)),
            created=made,
            updated=row.get("updateDate", made - 1),
            arrival=row.get("arrivalDate", made),
            sales=row.get("sales", 0),
            need_process=row.get("needProcess", True),
            description=text.get("description", ""),
            brief=text.get("shortDescription", ""),
            images=tuple(url.rpartition("/")[2] for url in text.get("image", ())),
            extra=extra or None,
        )


def _trackings(facts: Facts) -> dict[int, list[Tracking]]:
    """The recorded numbers name their order: TRK9A belongs to order 9."""
    found = defaultdict(list)
    for row in facts.tracking_rows:
        order_id = int(row["value"].strip("TRKA"))
        found[order_id].append(Tracking(row["tracking_id"], order_id, row["value"], row["creationDate"]))
    return found


def _order(store: Store, facts: Facts, order_id: int, trackings: list[Tracking]) -> Order:
    row = facts.order_rows.get(order_id, {})
    single = facts.order_singles.get(order_id, {})
    full = facts.order_complex.get(order_id, {})
    date = row.get("date", FIRST_DATE + (order_id - FIRST_DATED) * DATE_STEP)
    payment, shipping = _statuses(store, facts, order_id, single, full)
    profile, customer = _profiles(order_id, single, full, date)
    return Order(
        id=order_id,
        number=row.get("orderNumber", str(order_id)),
        date=date,
        renewed=_renewed(facts, order_id, date),
        payment_id=payment,
        shipping_id=shipping,
        subtotal=row.get("subtotal", sum(item["subtotal"] for item in full.get("items", ())) or 50.0),
        total=row.get("total", full.get("total", 50.0)),
        profile=profile,
        customer=customer,
        items=_items(store, facts, order_id, single, full),
        surcharges=_surcharges(order_id, single, full),
        trackings=trackings,
        transactions=_transactions(order_id, row, single, full),
        events=[_event(body) for owner, body in facts.events.values() if owner == order_id],
        details=[Detail(d["detail_id"], d["name"], d["label"], d["value"]) for d in single.get("details", ())]
        or [Detail(d["code"], "po", d["label"], d["value"]) for d in full.get("details", ())],
        payment_method=row.get("payment_method_name", "Phone Ordering"),
        method_id=row.get("shipping_id", 1),
        method_name=row.get("shipping_method_name", "Courier"),
        notes=row.get("notes", ""),
        admin_notes=row.get("adminNotes", ""),
        recent=row.get("recent", True),
        demo=row.get("demo", False),
    )


def _renewed(facts: Facts, order_id: int, date: int) -> int:
    """When the order had last changed: a time within the recording is a change made by it, not before it."""
    renewed = facts.renewed.get(order_id, RECORDED_FROM)
    return renewed if renewed < RECORDED_FROM or order_id <= DEMO_ORDERS else date + 2 * 86400


def _statuses(store, facts: Facts, order_id: int, single: dict, full: dict) -> tuple[int, int]:
    """What the order had before anything was changed: its history tells where it has been since."""
    found = {}
    for kind in ("payment", "shipping"):
        row = single.get(f"{kind}Status")
        code = row["code"] if row else full.get(f"{kind}Status") or None
        moves = [e["data"]["oldStatus"] for e in single.get("events", ()) if e["code"] == f"CHANGE {kind.upper()} STATUS ORDER"]
        if moves:
            code = next(s.code for s in store.statuses[kind].values() if s.name == moves[0])
        found[kind] = store.status_by_code(kind, code) if code else None
    if order_id in facts.searched["paymentStatus"][1]:
        codes = ("P", "N")
    elif found["payment"] is None or found["shipping"] is None:
        codes = ("Q", "N")
    else:
        return found["payment"].id, found["shipping"].id
    return store.status_by_code("payment", codes[0]).id, store.status_by_code("shipping", codes[1]).id


def _profiles(order_id: int, single: dict, full: dict, date: int) -> tuple[Profile, Profile]:
    customer = GUEST if order_id <= DEMO_ORDERS else CUSTOMERS[(order_id - 7) % 3]
    customer_id, login, first, last, anonymous = customer
    known = single.get("profile") or {}
    address = full.get("billingInfo") or {}
    billing = Address(
        first,
        last,
        address.get("address", "1 Main St."),
        address.get("city", "New York"),
        address.get("zipcode", "10001"),
        address.get("country", "US"),
        address.get("state", "NY"),
        address.get("phone", "+1 555 0100"),
    )
    own = Profile(known.get("profile_id", 1000 + order_id), login, anonymous, known.get("added", date), billing, billing)
    return own, Profile(customer_id, login, anonymous, date)


def _items(store: Store, facts: Facts, order_id: int, single: dict, full: dict) -> list[Item]:
    rows = single.get("items")
    if rows is None and full:
        rows = [
            {"item_id": _demo_item(order_id, n), "name": r["name"], "sku": r["sku"], "price": r["price"],
             "itemNetPrice": r["subtotal"] / r["quantity"], "amount": r["quantity"]}
            for n, r in enumerate(full["items"])
        ]  # fmt: skip
    if rows is None:
        sku, holders = facts.searched["sku"]
        sku = sku if order_id in holders else "TST-00120"
        price = store.product_by_sku(sku).price
        rows = [{"item_id": 5000 + order_id * 10, "name": "x", "sku": sku, "price": price, "itemNetPrice": price, "amount": 1}]
    items = []
    for row in rows:
        product_id = facts.product_of_sku.get(row["sku"])
        if product_id is None and row["sku"].startswith("TST-"):
            product_id = int(row["sku"].split("-")[1])
        if product_id is None:
            known = store.product_by_sku(row["sku"])
            product_id = known.id if known else 12
        items.append(
            Item(
                id=row["item_id"],
                order_id=order_id,
                product_id=product_id,
                variant_id=None,
                sku=row["sku"],
                name=row["name"],
                price=row["price"],
                net_price=row["itemNetPrice"],
                amount=row["amount"],
            )
        )
    return items


def _surcharges(order_id: int, single: dict, full: dict) -> list[Surcharge]:
    rows = [row for row in single.get("surcharges", ()) if row["id"] <= INITIAL_SURCHARGES]
    if rows:
        return [surcharge(row) for row in rows]
    shipping = "\\XLite\\Logic\\Order\\Modifier\\Shipping"
    found = [Surcharge(order_id, "shipping", "SHIPPING", "Shipping cost", full.get("shippingCost", 0), class_name=shipping)]
    if full.get("discountValue"):
        found.append(Surcharge(200 + order_id, "discount", "DISCOUNT", "Discount", full["discountValue"], weight=100))
    return found


def _demo_item(order_id: int, place: int) -> int:
    """The ids of the items of the first orders, which came with the shop, are one after the other."""
    return (1, 2, 5)[order_id - 1] + place if order_id <= 3 else 5000 + order_id * 10 + place


def surcharge(row: dict) -> Surcharge:
    """A recorded surcharge row as a record."""
    keys = ("id", "type", "code", "name", "value", "include", "available", "weight", "class")
    return Surcharge(*(row[key] for key in keys))


def _transactions(order_id: int, row: dict, single: dict, full: dict) -> list[Transaction]:
    known = single.get("payment_transactions")
    if known is not None:
        keys = ("transaction_id", "date", "public_id", "method_name", "method_local_name", "status", "value")
        return [Transaction(*(row[key] for key in keys)) for row in known]
    at = 1795427262
    if full:
        return [
            Transaction(order_id, at, t["id"], t["method"], full["paymentMethod"], t["status"], t["value"], t["note"])
            for t in full["transactions"]
        ]
    public_id, total = f"{order_id:06d}-XCTST", row.get("total", 50)
    return [Transaction(order_id, at, public_id, "PhoneOrdering", "Phone Ordering", "S", total)]


def _event(body: dict) -> Event:
    return Event(
        body["event_id"], body["date"], body["code"], body["description"], body["data"], body["comment"], body["authorName"]
    )


def add_late_surcharges(store: Store, facts: Facts) -> None:
    """The taxes and fees somebody wrote into the recorded shop's database before the last exchanges."""
    for order_id, (rows, total) in facts.late_surcharges.items():
        order = store.order(order_id)
        order.surcharges += [surcharge(row) for row in rows]
        order.total = total
        store.touch_order(order, renewed=False)
