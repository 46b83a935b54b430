"""What a PUT or POST through the add-on changes in the shop, with its coercions and its traps.

Nothing here refuses a value: the real shop coerces, ignores, appends and renames, and answers 200.
X-Cart 5.4, observed.
"""

from . import php
from .records import Order, Product, Status, Variant

PRODUCT_FIELDS = frozenset(
    {"amount", "inventoryEnabled", "sku", "price", "weight", "enabled", "translations", "variants", "product_id"}
)


def change(store, kind: str, row, data: dict) -> dict:
    """Lay `data` over one row. Returns columns the answer shows although they were not stored."""
    if kind == "product":
        return _change_product(store, row, data)
    if kind == "variant":
        _change_variant(store, row, data)
    elif kind == "order":
        return _change_order(store, row, data)
    elif kind == "tracking" and "value" in data:
        store.change_tracking(row, _text(data["value"]))
    elif kind in ("payment-status", "shipping-status"):
        _change_status(store, kind.partition("-")[0], row, data)
    return {}


def create(store, kind: str, data: dict):
    """Make a new row, whatever id the path named. Returns it, or None where this shop cannot."""
    if kind == "product":
        product_id = store.add_product(sku=None, name="", price=0.0)
        product = store.products[product_id]
        _change_product(store, product, data)
        product.need_process = True
        return product
    if kind == "order":
        order = store.empty_order()
        _change_order(store, order, data)
        return order
    if kind == "tracking":
        return store.add_tracking(_owner(store, data.get("order")), _text(data.get("value")))
    return None


def delete(store, kind: str, row) -> None:
    """Really delete, as the real shop does."""
    if kind == "product":
        store.delete_product(row.id)
    elif kind == "variant":
        store.delete_variant(row.id)
    elif kind == "order":
        store.delete_order(row.id)
    elif kind == "tracking":
        store.delete_tracking(row.id)
    elif kind in ("payment-status", "shipping-status"):
        store.delete_status(kind.partition("-")[0], row.id)


def key_of(kind: str) -> str:
    """The primary key's name in bulk rows."""
    return {"product": "product_id", "order": "order_id", "tracking": "tracking_id", "item": "item_id"}.get(kind, "id")


def _text(value) -> str:
    if isinstance(value, (dict, list)):
        return "Array"
    return "" if value is None else str(value)


def _change_product(store, product: Product, data: dict) -> dict:
    shown = {}
    face = False
    if "amount" in data:
        store.set_amount(product.id, php.to_int(data["amount"]))
    if "inventoryEnabled" in data:
        product.inventory_enabled = php.to_bool(data["inventoryEnabled"])
    if "sku" in data:
        product.sku = _text(data["sku"])[:32] or None
    if "price" in data:
        product.price = max(php.to_float(data["price"]), 0.0)
    if "weight" in data:
        product.weight = php.to_float(data["weight"])
        face = True
    if "enabled" in data:
        product.enabled = php.to_bool(data["enabled"])
        face = True
    for row in php.values(data.get("translations", [])):
        if isinstance(row, dict) and "name" in row:
            product.name = _text(row["name"])
            face = True
        if isinstance(row, dict) and "description" in row:
            product.description = _text(row["description"])
            face = True
    for row in php.values(data.get("variants", [])):
        variant = store.variants.get(php.to_int(row.get("id"))) if isinstance(row, dict) else None
        if variant is not None:
            _change_variant(store, variant, row)
    if "product_id" in data:
        shown["product_id"] = php.to_int(data["product_id"])
    if not PRODUCT_FIELDS.isdisjoint(data):
        product.updated = store.now()
        product.need_process = False
        store.touch_product(product.id, face)
    return shown


def _change_variant(store, variant: Variant, data: dict) -> None:
    if "amount" in data:
        store.set_variant_amount(variant.id, php.to_int(data["amount"]))
    if "defaultAmount" in data:
        variant.default_amount = php.to_bool(data["defaultAmount"])
    if "sku" in data:
        variant.sku = _text(data["sku"]) or None
    if "price" in data:
        variant.price = max(php.to_float(data["price"]), 0.0)
    if "defaultPrice" in data:
        variant.default_price = php.to_bool(data["defaultPrice"])
    store.touch_product(variant.product_id, face=False)


def _change_order(store, order: Order, data: dict) -> dict:
    shown = {}
    changed = False
    for name, field, convert in (
        ("notes", "notes", _text),
        ("adminNotes", "admin_notes", _text),
        ("tracking", "legacy_tracking", _text),
        ("total", "total", php.to_float),
        ("recent", "recent", php.to_bool),
        ("shipping_method_name", "method_name", _text),
    ):
        if name in data and getattr(order, field) != convert(data[name]):
            setattr(order, field, convert(data[name]))
            changed = True
    for row in php.values(data.get("trackingNumbers", [])):
        if isinstance(row, dict):
            _change_or_add_tracking(store, order, row)
    moves = {}
    for kind in ("payment", "shipping"):
        name = f"{kind}Status"
        if name in data:
            status, column = _status_meant(store, kind, order, data[name])
            if status is not None:
                moves[kind] = status.id
            if column:
                shown[name] = column
    if not store.apply_statuses(order, moves) and changed:
        store.touch_order(order)
    return shown


def _change_or_add_tracking(store, order: Order, row: dict) -> None:
    """With a known `tracking_id` its row is changed; everything else adds one, a duplicate included."""
    tracking = store.trackings.get(php.to_int(row.get("tracking_id")))
    if tracking is None:
        store.add_tracking(order, _text(row.get("value")))
    elif "value" in row:
        store.change_tracking(tracking, _text(row["value"]))


def _status_meant(store, kind: str, order: Order, value) -> tuple[Status | None, dict | None]:
    """The status an order is to get, and what the answer shows instead where nothing was stored.

    Everything else in the object is written into the status itself, for the whole shop; and a code the shop
    does not have renames the status the order has now.
    """
    if not isinstance(value, dict) or not value:
        return None, None
    rows = store.statuses[kind]
    present = rows.get(order.status_id(kind))
    if "id" in value:
        status = rows.get(php.to_int(value["id"]))
        if status is None:
            return None, {"id": php.to_int(value["id"])} if present else None
    elif value.get("code") not in (None, ""):
        status = store.status_by_code(kind, _text(value["code"])) or present
        if status is None:
            status = rows[store.add_status(kind, _text(value["code"]), _text(value["code"]))]
    else:
        status = present
    if status is not None:
        _change_status(store, kind, status, value)
    return status, None


def _change_status(store, kind: str, status: Status, data: dict) -> None:
    fields = {}
    if data.get("code") not in (None, "") and status.code != _text(data["code"]):
        fields["code"] = _text(data["code"])[:4]
    if "position" in data and status.position != php.to_int(data["position"]):
        fields["position"] = php.to_int(data["position"])
    for row in php.values(data.get("translations", [])):
        if isinstance(row, dict) and row.get("code", "en") == "en" and "name" in row:
            fields["name"] = _text(row["name"])
    if fields:
        store.change_status_row(kind, status, **fields)


def _owner(store, value) -> Order | None:
    """The order a new tracking number hangs on. An object that names none makes a new, empty order."""
    if not isinstance(value, dict) or not value:
        return None
    if "order_id" in value:
        found = store.orders.get(php.to_int(value["order_id"]))
    else:
        wanted = _text(value.get("orderNumber"))
        found = next((order for order in store.orders.values() if order.number == wanted), None)
    return found or store.empty_order()
