"""Writes over X-Cart 5.5's API: strict about types, silent about what it does not know."""

from .api_query import BadRequest
from .records import Product, Status, Variant

MISFORMATTED = "The input data is misformatted."
BLANK = "This value should not be blank. (code c1051bb4-d103-4f74-8988-acbcafc7fdc3)"
TOO_SHORT = "This value is too short. It should have 1 character or more. (code 9ff3fdc4-b214-49db-8718-39c315e33d45)"
TOO_LONG = "This value is too long. It should have 4 characters or less. (code d94b19cc-114f-4f44-9cc4-4138e80a87b9)"
NEGATIVE = "This value should be either positive or zero. (code ea4e51d1-3342-48bd-87f1-9e672cd90cad)"

PRODUCT_FIELDS = {
    "amount": int,
    "inventory_traceable": bool,
    "sku": str,
    "name": str,
    "description": str,
    "brief_description": str,
    "price": float,
    "enabled": bool,
    "weight": float,
    "free_shipping": bool,
}
VARIANT_FIELDS = {
    "amount": int,
    "default_amount": bool,
    "sku": str,
    "price": float,
    "default_price": bool,
    "weight": float,
    "default_weight": bool,
}
COLUMNS = {"inventory_traceable": "inventory_enabled", "brief_description": "brief"}


def status_meant(store, kind: str, data) -> Status:
    """The status a body names, by code or, where it is all digits, by id. Raises `BadRequest`."""
    name = f"Order{kind.title()}Status"
    place = f"Object(XLite\\API\\Endpoint\\{name}\\DTO\\{name}Input).code:\n    "
    if not isinstance(data, dict) or "code" not in data:
        raise BadRequest(f"{place}{BLANK}\n")
    code = data["code"]
    if not isinstance(code, str):
        raise BadRequest(MISFORMATTED)
    if not code:
        raise BadRequest(f"{place}{BLANK}\n{place}{TOO_SHORT}\n")
    if len(code) > 4:
        raise BadRequest(f"{place}{TOO_LONG}\n")
    by_id = code.isascii() and code.isdigit()
    status = store.status(kind, int(code)) if by_id else store.status_by_code(kind, code)
    if status is None:
        raise BadRequest(f"Status code '{code}' is {'wrong' if kind == 'shipping' else 'invalid'}")
    return status


def change_product(store, product: Product, data) -> None:
    """Lay the known fields over a product; a list or unknown fields change nothing. Raises `BadRequest`."""
    fields = _typed(data, PRODUCT_FIELDS)
    place = "Object(XLite\\API\\Endpoint\\Product\\DTO\\Input)"
    if fields.get("amount", 0) < 0:
        raise BadRequest(f"{place}.amount:\n    {NEGATIVE}\n")
    if fields.get("sku") == "":
        raise BadRequest(f"{place}.sku:\n    {BLANK}\n{place}.sku:\n    {TOO_SHORT}\n")
    if "sku" in fields and any(other.sku == fields["sku"] and other is not product for other in store.products.values()):
        raise BadRequest(f"Input validations failed: SKU {fields['sku']} is not unique")
    if "amount" in fields:
        store.set_amount(product.id, fields.pop("amount"))
    for name, value in fields.items():
        setattr(product, COLUMNS.get(name, name), value)
    product.updated = store.now()
    product.arrival -= (product.arrival + store.server_utc_offset) % 86400
    store.touch_product(product.id, face=bool(fields))


def change_variant(store, variant: Variant, data) -> None:
    """The same for a variant, which takes a negative amount for 0. Raises `BadRequest`."""
    fields = _typed(data, VARIANT_FIELDS)
    if "amount" in fields:
        store.set_variant_amount(variant.id, fields.pop("amount"))
    for name, value in fields.items():
        setattr(variant, name, value)
    store.touch_product(variant.product_id, face=False)


def _typed(data, kinds: dict) -> dict:
    """The known fields of a body, each of exactly the type wanted. Raises `BadRequest`."""
    fields = {}
    for name, value in data.items() if isinstance(data, dict) else ():
        if name not in kinds:
            continue
        kind = kinds[name]
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not kind:
            raise BadRequest(MISFORMATTED)
        fields[name] = value
    return fields
