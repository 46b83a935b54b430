"""The API's description of itself, as X-Cart 5.5 gives it: inside a script of an HTML page."""

import json

LIST_PARAMETERS = ("page", "itemsPerPage")
ORDER_FILTERS = (
    "date[before]", "date[strictly_before]", "date[after]", "date[strictly_after]", "order[date]", "order[lastRenewDate]",
    "paymentStatus.code", "paymentStatus.code[]", "shippingStatus.code", "shippingStatus.code[]", "profile.login",
)  # fmt: skip
NEWER_ORDER_FILTERS = ("lastRenewDate[before]", "lastRenewDate[after]")
TRACKING_PATH = "/api/orders/{order_id}/tracking_numbers"
PATHS = {
    "/api/orders": ("get",),
    "/api/orders/{id}": ("get",),
    "/api/orders/by_number/{order_number}": ("get",),
    "/api/orders/{order_id}/shipping_status": ("get", "put"),
    "/api/orders/{order_id}/payment_status": ("get", "put"),
    "/api/orders/{order_id}/payment_transactions": ("get",),
    "/api/orders/{order_id}/details": ("get",),
    "/api/orders/{order_id}/history": ("get",),
    "/api/carts": ("get",),
    "/api/products": ("get", "post"),
    "/api/products/{product_id}": ("get", "put", "delete"),
    "/api/products/{product_id}/variants": ("get", "post"),
    "/api/products/{product_id}/variants/{id}": ("get", "put", "delete"),
}
BODIES = {
    "/api/orders/{order_id}/shipping_status": {"code": "string"},
    "/api/orders/{order_id}/payment_status": {"code": "string"},
    "/api/products/{product_id}": {"amount": "integer", "inventory_traceable": "boolean", "sku": "string"},
    "/api/products/{product_id}/variants/{id}": {"amount": "integer", "default_amount": "boolean"},
    TRACKING_PATH: {"value": "string"},
}


def specification(newer: bool) -> dict:
    """The OpenAPI document. A `newer` shop than the observed one can add tracking numbers and filter by change."""
    paths = dict(PATHS)
    if newer:
        paths[TRACKING_PATH] = ("get", "post")
    filters = ORDER_FILTERS + (NEWER_ORDER_FILTERS if newer else ())
    document = {"openapi": "3.0.3", "info": {"title": "X-Cart API", "version": "5.5.1" if newer else "5.5.0"}, "paths": {}}
    for path, verbs in paths.items():
        document["paths"][path] = {verb: _operation(path, verb, filters) for verb in verbs}
    return document


def _operation(path: str, verb: str, filters: tuple[str, ...]) -> dict:
    names = [("path", part[1:-1]) for part in path.split("/") if part.startswith("{")]
    if verb == "get" and not path.endswith("}"):
        names += [("query", name) for name in LIST_PARAMETERS]
    if path == "/api/orders":
        names += [("query", name) for name in filters]
    parameters = [{"name": name, "in": place, "required": place == "path"} for place, name in names]
    operation = {"parameters": parameters, "responses": {"200": {"description": "OK"}}}
    if verb in ("put", "post") and path in BODIES:
        fields = {name: {"type": kind} for name, kind in BODIES[path].items()}
        schema = {"type": "object", "properties": fields}
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation


def page(newer: bool) -> bytes:
    """The HTML page that carries the document in `<script id="swagger-data">`, under `spec`."""
    data = json.dumps({"url": "/api/docs.json", "spec": specification(newer)}).replace("<", "\\u003C").replace("/", "\\/")
    return (
        '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="UTF-8">\n<title>X-Cart API</title>\n'
        f'<script id="swagger-data" type="application/json">{data}</script>\n'
        '</head>\n<body>\n<div id="swagger-ui"></div>\n</body>\n</html>\n'
    ).encode()
