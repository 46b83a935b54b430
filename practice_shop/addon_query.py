"""The add-on's search conditions (`_cnd`): which rows, in which order, which slice.

Unknown conditions are ignored silently, as in the real shop. There is no default order.
"""

import random
from datetime import UTC, datetime

from . import php
from .records import Order, Product

ALIASES = {
    "product": "p",
    "order": "o",
    "variant": "v",
    "tracking": "t",
    "item": "o",
    "payment-status": "p",
    "shipping-status": "s",
}
MODEL_CLASSES = {"product": "XLite\\Model\\Product", "order": "XLite\\Model\\Order"}
SORTABLE = {
    "product": {
        "product_id": lambda row: row.id,
        "price": lambda row: row.price,
        "sku": lambda row: (row.sku or "").casefold(),
        "enabled": lambda row: row.enabled,
        "weight": lambda row: row.weight,
        "amount": lambda row: row.amount,
        "inventoryEnabled": lambda row: row.inventory_enabled,
        "date": lambda row: row.created,
        "updateDate": lambda row: row.updated,
        "arrivalDate": lambda row: row.arrival,
        "sales": lambda row: row.sales,
    },
    "order": {
        "order_id": lambda row: row.id,
        "date": lambda row: row.date,
        "lastRenewDate": lambda row: row.renewed,
        "orderNumber": lambda row: php.to_int(row.number or ""),
        "total": lambda row: row.total,
        "subtotal": lambda row: row.subtotal,
        "recent": lambda row: row.recent,
        "notes": lambda row: row.notes,
        "adminNotes": lambda row: row.admin_notes,
    },
    "variant": {
        "id": lambda row: row.id,
        "sku": lambda row: (row.sku or "").casefold(),
        "amount": lambda row: row.amount,
        "price": lambda row: row.price,
    },
    "tracking": {
        "tracking_id": lambda row: row.id,
        "value": lambda row: row.value,
        "creationDate": lambda row: row.at,
    },
    "item": {"item_id": lambda row: row.id, "sku": lambda row: row.sku, "amount": lambda row: row.amount},
    "payment-status": {"id": lambda row: row.id, "position": lambda row: row.position, "code": lambda row: row.code or ""},
    "shipping-status": {"id": lambda row: row.id, "position": lambda row: row.position, "code": lambda row: row.code or ""},
}  # fmt: skip


class ProgramFailed(Exception):
    """PHP fell over a value of the wrong kind: the shop shows its error page with status 500."""


class QueryFailed(Exception):
    """The database refused the query: status 400, `[]`, and this text in `X-REST-Error`."""


def select(store, kind: str, cnd: dict, shift: int = 0) -> list:
    """The rows of a list, searched, ordered and cut, starting `shift` rows late. Raises `ProgramFailed` or `QueryFailed`."""
    found = _search(store, kind, cnd)
    order_by = _given(cnd, "orderBy")
    if order_by is not None:
        _sort(found, kind, order_by)
    elif store.natural_order == "any":
        random.Random(repr(cnd)).shuffle(found)
    limit = _given(cnd, "limit")
    return found if limit is None else _cut(found, limit, shift)


def _given(cnd: dict, name: str):
    wanted = name.casefold()
    return next((value for key, value in cnd.items() if key.casefold() == wanted), None)


def _cut(found: list, limit, shift: int) -> list:
    if not isinstance(limit, dict):
        raise ProgramFailed("limit is not an array")
    numbers = [php.to_int(value) for value in limit.values()]
    offset, count = (numbers + [0, 0])[:2]
    offset = max(max(offset, 0) + shift, 0)
    return found[offset : offset + count] if count > 0 else found


def _sort(found: list, kind: str, order_by) -> None:
    if not isinstance(order_by, dict):
        raise ProgramFailed("orderBy is not an array")
    for field, direction in reversed(_sort_fields(kind, order_by)):
        alias, dot, column = field.partition(".")
        if not dot or alias != ALIASES.get(kind):
            raise QueryFailed(f"[Semantical Error] line 0, col 107 near '{field} {direction}': Error: '{alias}' is not defined.")
        key = SORTABLE.get(kind, {}).get(column)
        if key is None:
            model = MODEL_CLASSES.get(kind, "XLite\\Model\\AEntity")
            raise QueryFailed(
                f"[Semantical Error] line 0, col 107 near '{column} {direction},': "
                f"Error: Class {model} has no field or association named {column}"
            )
        found.sort(key=key, reverse=direction.casefold() == "desc")


def _sort_fields(kind: str, order_by: dict) -> list[tuple[str, str]]:
    """The fields and directions asked for. Orders take them column by column, the others row by row."""
    slots = php.values(order_by)
    first = slots[0] if slots else ""
    second = slots[1] if len(slots) > 1 else "ASC"
    if not isinstance(first, dict):
        fields = [(str(first), second if isinstance(second, str) else "ASC")]
        if kind == "product" and first != "p.product_id":
            fields.append(("p.product_id", fields[0][1]))
        return fields
    if kind == "product":
        raise ProgramFailed("products take one field to order by")
    if kind == "order":
        directions = php.values(second)
        return [
            (str(field), str(directions[index]) if index < len(directions) else "ASC")
            for index, field in enumerate(first.values())
        ]
    pairs = []
    for slot in slots:
        parts = [str(part) for part in php.values(slot)]
        pairs.append((parts[0], parts[1] if len(parts) > 1 else "ASC"))
    return pairs


def _search(store, kind: str, cnd: dict) -> list:
    rows = _looked_at(store, kind, cnd)
    tests = []
    conditions = CONDITIONS.get(kind, {})
    for name, value in cnd.items():
        make = conditions.get(name.casefold())
        if make is not None:
            test = make(store, value)
            if test is not None:
                tests.append(test)
    if kind == "product":
        tests.extend(_product_texts(store, cnd))
    if kind == "order":
        tests.append(lambda order: order.shipping_id is not None and not order.is_cart)
    if not tests:
        return list(rows)
    return [row for row in rows if all(test(row) for test in tests)]


def _looked_at(store, kind: str, cnd: dict) -> list:
    """The rows a search looks at, by id: all, or the few that a database would find by its index. In a catalogue of 50,000
    the whole would take the shop longer than everything its client does."""
    owner, wanted = _given(cnd, "product"), _given(cnd, "productIds")
    if kind == "variant" and owner is not None:
        ids = store.variants_of.get(php.to_int(owner), ())
        return [store.variants[row_id] for row_id in sorted(ids)]
    if kind == "product" and wanted is not None:
        ids = {php.to_int(part) for part in php.values(wanted)}
        return [store.products[row_id] for row_id in sorted(ids) if row_id in store.products]
    return table(store, kind)


def _table(store, kind: str) -> dict:
    return {
        "product": store.products,
        "order": store.orders,
        "variant": store.variants,
        "tracking": store.trackings,
        "item": store.items,
        "payment-status": store.statuses["payment"],
        "shipping-status": store.statuses["shipping"],
    }[kind]


def table(store, kind: str) -> list:
    """Every row of one kind, by id."""
    return sorted(_table(store, kind).values(), key=lambda row: row.id)


def find(store, kind: str, row_id: int):
    """One row by its id, or None."""
    return _table(store, kind).get(row_id)


# Conditions of orders: each takes the store and the value, and gives a test of one row or None for "no condition".


def _between(column):
    def make(store, value):
        bounds = [php.to_float(part) for part in php.values(value)]
        low, high = (bounds + [0, 0])[:2]

        def test(row):
            return not (low and column(row) < low) and not (high and column(row) > high)

        return test

    return make


def _like(text):
    def make(store, value):
        wanted = str(value).casefold()
        return lambda row: wanted in text(row).casefold()

    return make


def _status(kind: str):
    def make(store, value):
        wanted = [str(part) for part in php.values(value)]
        if not any(wanted):
            return None
        by_id = all(part.isdigit() for part in wanted)
        found = [store.status(kind, php.digits(part)) if by_id else store.status_by_code(kind, part) for part in wanted]
        ids = {status.id for status in found if status}
        return lambda order: order.status_id(kind) in ids

    return make


def _order_id(store, value):
    parts = php.values(value)
    if len(parts) > 1:
        raise QueryFailed(
            "An exception occurred while executing 'SELECT x0_.order_id FROM xc_orders x0_ WHERE x0_.order_id = ?, ?' "
            f"with params {parts}:SQLSTATE[21000]: Cardinality violation: 1241 Operand should contain 1 column(s)"
        )
    wanted = php.to_int(parts[0]) if parts else 0
    return lambda order: order.id == wanted


def _date_range(store, value):
    """Only the shop's own format, `Oct 1, 2026 ~ Oct 3, 2026`, whole days in its zone; other texts find nothing."""
    try:
        start, end = (datetime.strptime(part.strip(), "%b %d, %Y").replace(tzinfo=UTC) for part in str(value).split("~"))
    except ValueError:
        return lambda order: False
    low = start.timestamp() - store.server_utc_offset
    high = end.timestamp() - store.server_utc_offset + 86399
    return lambda order: low <= order.date <= high


def _order_substring(store, value):
    text = str(value)
    start, dash, end = text.partition("-")
    if dash and start.isdigit() and end.isdigit():
        low, high = int(start), int(end)
        return lambda order: low <= php.to_int(order.number or "") <= high
    return lambda order: order.number == text or (order.profile is not None and text.casefold() in order.profile.login.casefold())


def _order_sku(store, value):
    parts = [part.strip().casefold() for part in str(value).split(",")]
    if len(parts) > 1:
        return lambda order: any(item.sku.casefold() in parts for item in order.items)
    return lambda order: any(parts[0] in item.sku.casefold() for item in order.items)


def _access_level(store, value):
    kinds = {"registered": False, "anonymous": True}
    if value not in kinds:
        return None
    return lambda order: order.profile is not None and order.profile.anonymous is kinds[value]


def _currency(store, value):
    wanted = php.to_int(value)
    return lambda order: (840 if order.currency == "USD" else 978) == wanted


def _update_date(store, value):
    if not store.supports_update_date or len(php.values(value)) < 2:
        return None
    return _between(lambda order: order.renewed)(store, value)


def _login(order: Order) -> str:
    return order.profile.login if order.profile else ""


def _name(order: Order) -> str:
    return order.profile.full_name if order.profile else ""


ORDER_CONDITIONS = {
    "orderid": _order_id,
    "ordernumber": lambda store, value: lambda order: order.number == str(value),
    "date": _between(lambda order: order.date),
    "daterange": _date_range,
    "updatedate": _update_date,
    "paymentstatus": _status("payment"),
    "shippingstatus": _status("shipping"),
    "recent": lambda store, value: lambda order: order.recent is php.to_bool(value),
    "substring": _order_substring,
    "email": _like(_login),
    "sku": _order_sku,
    "profileid": lambda store, value: lambda order: (
        order.customer is not None and order.customer.id == php.to_int(value)
    ),
    "accesslevel": _access_level,
    "currency": _currency,
    "transactionid": lambda store, value: lambda order: any(
        str(value) in transaction.public_id for transaction in order.transactions
    ),
    "customername": _like(_name),
    "zipcode": _like(lambda order: order.profile.billing.zipcode if order.profile and order.profile.billing else ""),
    "shippingmethodname": _like(lambda order: order.method_name),
    "paymentmethodname": _like(lambda order: order.payment_method),
}  # fmt: skip


def _inventory(store, value):
    tests = {
        "low": lambda row: False,
        "out": lambda row: row.inventory_enabled and row.amount <= 0,
        "in": lambda row: not row.inventory_enabled or row.amount > 0,
    }
    return tests.get(value)


def _product_ids(store, value):
    wanted = {php.to_int(part) for part in php.values(value)}
    return lambda product: product.id in wanted


def _category(store, value):
    wanted = str(value)
    return lambda product: wanted in product.categories


PRODUCT_CONDITIONS = {
    "sku": _like(lambda product: product.sku or ""),
    "enabled": lambda store, value: lambda product: product.enabled is php.to_bool(value),
    "productids": _product_ids,
    "ids": _product_ids,
    "excludingproductid": lambda store, value: lambda product: product.id != php.to_int(value),
    "price": _between(lambda product: product.price),
    "arrivaldate": _between(lambda product: product.arrival),
    "categoryid": _category,
    "inventory": _inventory,
}


def _product_texts(store, cnd: dict) -> list:
    """`substring` searches SKUs (variants' too), and names and descriptions unless `bySKU=Y` alone is asked for."""
    value = _given(cnd, "substring")
    if not value:
        return []
    wanted = str(value).casefold()
    only_sku = any(_given(cnd, name) == "Y" for name in ("bySKU", "by_sku"))

    def test(product: Product) -> bool:
        texts = [product.sku or ""]
        texts += [store.variants[variant_id].sku or "" for variant_id in store.variants_of.get(product.id, ())]
        if not only_sku:
            texts += [product.name, product.description or "", product.brief or ""]
        return any(wanted in text.casefold() for text in texts)

    return [test]


CONDITIONS = {
    "order": ORDER_CONDITIONS,
    "product": PRODUCT_CONDITIONS,
    "variant": {"product": lambda store, value: lambda variant: variant.product_id == php.to_int(value)},
    "item": {"order": lambda store, value: lambda item: item.order_id == php.to_int(value)},
}
