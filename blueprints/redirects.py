"""Addresses that pages had in earlier versions, and where they are now. Kept for one version."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Flask, redirect, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Response

MOVED = {
    "/activity/settings": "/activity/changes",
    "/activity/settings.csv": "/activity/changes.csv",
    "/listings/ticked": "/listings/selected",
    "/orders/ticked": "/orders/selected",
    "/orders/ship-by-file": "/orders/tracking-numbers",
    "/orders/ship-by-file/<int:id>": "/orders/tracking-numbers/{id}",
    "/orders/ship-by-file/<int:id>/problems.csv": "/orders/tracking-numbers/{id}/problems.csv",
    "/api/v1/orders/<int:id>/acknowledge": "/api/v1/orders/{id}/mark-seen",
    "/orders/<int:id>/acknowledge": "/orders/{id}/mark-seen",
    "/orders/<int:id>/tell-again": "/orders/{id}/send-again",
    "/reports/receipts": "/reports/reconciliation",
    "/reports/receipts.csv": "/reports/reconciliation.csv",
    "/settings/sales-channels/<int:id>/desk": "/settings/sales-channels/{id}/settings",
    "/settings/sales-channels/<int:id>/settings/rehearsal": "/settings/sales-channels/{id}/settings/import-preview",
    "/settings/sales-channels/add/<token>/rehearsal": "/settings/sales-channels/add/{token}/import-preview",
}
"""Old rule -> new address."""
RENAMED = {("/orders", "state", "untold"): "not_sent", ("/orders/orders.csv", "state", "untold"): "not_sent"}
"""(Address, parameter, former value) -> value. The answer is 308: a form that an open page sends keeps its method and its fields."""


_RULES = Map([Rule(old, endpoint=new) for old, new in MOVED.items()])


def init_app(app: Flask) -> None:
    app.before_request(redirect_moved)


def redirect_moved() -> Response | None:
    """Where a page of an earlier version is now; None for an address of today, or of no version."""
    if request.endpoint is not None:
        return _with_new_values()
    try:
        new, values = _RULES.bind("").match(request.path)
    except HTTPException:
        return None
    query = request.query_string.decode()
    return redirect(new.format(**values) + (f"?{query}" if query else ""), code=308)


def _with_new_values() -> Response | None:
    """To the same page with the new values of its parameters, or None if they are new already."""
    old = list(request.args.items(multi=True))
    new = [(name, RENAMED.get((request.path, name, value), value)) for name, value in old]
    return redirect(f"{request.path}?{urlencode(new)}", code=308) if new != old else None
