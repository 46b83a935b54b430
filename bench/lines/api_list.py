"""A page of 100 orders over the API, against a bare route that answers with the same bytes.

Both are asked by the same token through the same door (token, limits, rights, parameters, validator), in turn, request by request. The bare one
runs four statements on the tables and writes the answer's values out by hand; it knows no filters, cursors or expansions."""

from __future__ import annotations

import contextvars
import hashlib
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from flask import Flask
from sqlalchemy import func, insert, select

from api.operations import Call, Operation, bp, dispatch
from api.paging import ListQuery
from api.reply import Reply
from bench.frame import Measured
from bench.lines.pages import _in_turn
from bench.pairs import in_child, ratio, samples
from bench.place import Place, let_go
from extensions import db, writing
from models import Allocation, Integration, Order, OrderLine, OrderTag, Shop, Tag
from models.types import utcnow
from services.accounts import tokens
from services.security import vault
from tests.support.signed_in import user_called

PAGE = 100
LINES = 2
ADDRESS = {"name": "Jane Roe", "street": "1 Long Street", "city": "Graz", "postcode": "8010", "country": "AT"}
MONEY = ("total", "items", "shipping", "items_tax", "shipping_tax", "discount", "other", "difference")
order, line, allocation = Order.__table__.c, OrderLine.__table__.c, Allocation.__table__.c


def measure(place: Place) -> Measured:
    number = place.full_or_quick(5_000, 300)
    with place.installation(REDIS_URL=place.queue, REQUESTS_PER_MINUTE="100000") as app:
        fill(number)
        token = tokens.create_token(user_called("Ann"), "Bench", ["orders:read", "customers:read"], "bench").token
        let_go()
        found = contextvars.Context().run(in_child, _in_process, app, token, place.full_or_quick(15, 3), seconds=150)
    return Measured(ratio(*found), {"orders": number, **samples(*found)})


def _in_process(app: Flask, token: str, times: int) -> tuple[list[float], list[float]]:
    bare = Operation("bare_list", "GET", "/bench/orders", "", bare_list, scope="orders:read", query=ListQuery)
    app.add_url_rule(f"{bp.url_prefix}/bench/orders", "api.bare_list", lambda: dispatch(bare, {}))
    client = app.test_client(use_cookies=False)
    headers = {"Authorization": f"Bearer {token}"}
    ours, theirs = (partial(client.get, f"/api/v1/{path}?limit={PAGE}", headers=headers) for path in ("orders", "bench/orders"))
    if ours().json["items"] != theirs().json["items"]:
        raise RuntimeError("The two routes do not answer the same.")
    return _in_turn(ours, theirs, times)


def bare_list(call: Call) -> Reply:
    connection = db.session.connection()
    names = {row.shop_id: row for row in connection.execute(select(Integration.shop_id, Integration.id, Integration.name))}
    wanted = [column for column in order if column.name not in ("raw", "digest", "surcharge_rows")]
    rows = connection.execute(select(*wanted).order_by(order.placed_at.desc(), order.id.desc()).limit(call.query.limit)).all()
    reserved = (
        select(func.coalesce(func.min(allocation.reserved // allocation.units), 0))
        .where(allocation.order_line_id == line.id)
        .scalar_subquery()
    )
    lines: dict[int, list[Any]] = {row.id: [] for row in rows}
    for each in connection.execute(
        select(OrderLine.__table__, reserved.label("reserved")).where(line.order_id.in_(lines)).order_by(line.position)
    ):
        lines[each.order_id].append(each)
    tags: dict[int, list[str]] = {}
    named = select(OrderTag.order_id, Tag.name).join(Tag, Tag.id == OrderTag.tag_id).where(OrderTag.order_id.in_(lines))
    for order_id, name in connection.execute(named.order_by(Tag.name_key)):
        tags.setdefault(order_id, []).append(name)
    items = [_item(row, names[row.shop_id], lines[row.id], tags.get(row.id, [])) for row in rows]
    return Reply(content=msgspec.json.encode({"items": items, "next": None}))


def _item(row: Any, integration: Any, lines: list[Any], tags: list[str]) -> dict[str, Any]:
    values = row._mapping
    names = (
        "external_id", "number", "placed_at", "changed_at", "updated_at", "currency", "tax_lines", "payment_status", "shipping_status",
        "payment_method", "shipping_method", "state", "held_codes", "held_reason", "note", "cancel_unseen", "customer", "email",
        "billing_address", "shipping_address", "customer_notes", "admin_notes", "tracking_numbers",
    )  # fmt: skip
    return {
        "id": str(row.id), "integration_id": str(integration.id), "integration": integration.name, "mark": "", "version": _version(row, lines), "tags": tags,
        **{name: values[name] for name in names}, **{name: _money(values[name], row.decimals) for name in MONEY},
        "lines": [_line(each, row.decimals) for each in lines],
    }  # fmt: skip


def _version(row: Any, lines: list[Any]) -> str:
    shipped = [(each.id, each.shipped) for each in lines]
    return hashlib.sha256(f"{row.id} {row.state} {row.held_codes} {row.cancel_unseen} {shipped}".encode()).hexdigest()[:16]


def _line(row: Any, decimals: int) -> dict[str, Any]:
    return {
        "id": str(row.id), "sku": row.sku, "name": row.name, "quantity": row.quantity, "price": _money(row.price, decimals),
        "total": _money(row.total, decimals), "tax": _money(row.tax, decimals), "reserved": int(row.reserved), "shipped": row.shipped,
        "options": dict(row.options),
    }  # fmt: skip


def _money(amount: Decimal, decimals: int) -> str:
    return f"{amount:.{decimals}f}"


def fill(number: int) -> None:
    now = utcnow()
    with writing() as session:
        shop = Shop(kind="xcart", address="shop.example")
        session.add(shop)
        session.flush()
        session.add(
            Integration(shop_id=shop.id, kind="xcart", name="Shop", name_key="shop", endpoint="https://shop.example", generation="addon",
                        key_encrypted=vault.encrypt("key"), orders_since=now, processed_status="S", work_statuses=[["P", "*"]])
        )  # fmt: skip
        made = [
            {"id": row, "shop_id": shop.id, "external_id": str(row), "number": f"{row:06d}", "placed_at": now - timedelta(minutes=row), "changed_at": now,
             "state": "shipped", "currency": "EUR", "decimals": 2, "total": Decimal("23.80"), "items": Decimal("20.00"), "items_tax": Decimal("3.80"),
             "payment_status": "P", "shipping_status": "S", "customer": "Jane Roe", "email": "jane@example.com", "billing_address": ADDRESS,
             "shipping_address": ADDRESS, "customer_notes": "Leave it at the gate."}
            for row in range(1, number + 1)
        ]  # fmt: skip
        session.execute(insert(Order), made)
        session.execute(
            insert(OrderLine),
            [
                {"order_id": row["id"], "position": position, "sku": f"SKU-{position}", "name": "A cup", "quantity": 1, "shipped": 1,
                 "price": Decimal("10.00"), "total": Decimal("10.00"), "tax": Decimal("1.90"), "options": [["Colour", "Blue"]]}
                for row in made
                for position in range(LINES)
            ],
        )  # fmt: skip
