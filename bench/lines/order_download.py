"""Downloading 10,000 orders, against the least that any program could do; and the requests it takes.

*Ours* is the whole of ``services.sync.execution.perform`` on a queued run, as a worker does it: claim, lease and heartbeat, the gate
before each request, address guard and size cap, every row checked against what was asked, the money broken down, holds
evaluated, digests compared, each page committed with its cursor and the proof of the lease.

*Theirs* is a bare script: one ``requests`` session asks for the very same addresses (taken from the shop's log of a warm-up by
ours, so both get the same prebuilt pages), decodes them with ``json`` and writes the same rows with core SQL on the same
migrated schema: every column of ``order`` and ``order_line`` that ours fills, the raw payload included, the search index and the sales by day, ids counted by
itself, one executemany a table and one commit a page, on the same SQLite settings. It checks nothing, keeps no lease, and
knows the rules for this one shop only. The two databases are compared afterwards.

Both run in forked children of the same process, in turn; opening the database and the connection is part of the time.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import requests
from flask import Flask
from sqlalchemy import JSON, Engine, MetaData, Table, create_engine, insert, text

from bench.frame import Measured
from bench.pairs import alternate, in_child, ratio, samples
from bench.place import Place, connect, let_go
from extensions import db
from services.common.words import words_of
from services.runs import lifecycle
from services.sync import execution

PAGE = 100
ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
SUMS = """
    SELECT (SELECT count(*) FROM "order"), (SELECT count(*) FROM order_line),
           (SELECT group_concat(total || ' ' || items || ' ' || shipping || ' ' || discount || ' ' || other || state || held_reason || reason_codes)
              FROM (SELECT * FROM "order" ORDER BY external_id)),
           (SELECT sum(length(raw)) FROM "order"), (SELECT sum(quantity * product_id) FROM order_line),
           (SELECT count(tax_lines) || ' ' || count(surcharge_rows) || ' ' || count(seen_at) || ' ' || sum(length(email_digest)) FROM "order"),
           (SELECT group_concat(price || ' ' || total || ' ' || tax) FROM
              (SELECT l.* FROM order_line l JOIN "order" o ON o.id = l.order_id ORDER BY o.external_id, l.position)),
           (SELECT sum(shipped) || ' ' || sum(shop_price) || ' ' || sum(length(options_digest)) FROM order_line),
           (SELECT count(*) FROM event_change WHERE object = 'order'),
           (SELECT group_concat(placed_at || customer || email || shipping_address) FROM (SELECT * FROM "order" ORDER BY external_id)),
           (SELECT group_concat(public || '/' || personal) FROM
              (SELECT s.public, s.personal FROM "order" o JOIN order_search s ON s.rowid = o.id ORDER BY o.external_id)),
           (SELECT group_concat(day || orders || ' ' || pieces || ' ' || total) FROM (SELECT * FROM day_sales ORDER BY day, currency)),
           (SELECT group_concat(day || sku_key || orders || ' ' || pieces || ' ' || total)
              FROM (SELECT * FROM sku_sales ORDER BY day, sku_key, currency))
"""
"""What has to be equal in both databases."""
SEARCH = "INSERT INTO order_search (rowid, public, personal) VALUES (:id, :public, :personal)"
DAYS = """
    INSERT INTO day_sales (shop_id, day, currency, orders, pieces, total, decimals) VALUES (1, :day, :currency, :orders, :pieces, :total, 2)
    ON CONFLICT DO UPDATE SET orders = orders + excluded.orders, pieces = pieces + excluded.pieces, total = total + excluded.total
"""
SKUS = """
    INSERT INTO sku_sales (shop_id, day, sku_key, currency, orders, pieces, total) VALUES (1, :day, :key, :currency, :orders, :pieces, :total)
    ON CONFLICT DO UPDATE SET orders = orders + excluded.orders, pieces = pieces + excluded.pieces, total = total + excluded.total
"""


def measure_ratio(place: Place) -> Measured:
    orders = place.full_or_quick(10_000, 1_000)
    shop = place.shop(products=400, orders=orders)
    since = shop.before_first_order
    with place.installation() as app:
        connect(shop, since)
        # The shop renders each page at the first request for it and keeps it.
        in_child(_download, app)
        targets = shop.asked().targets
    pairs: list[tuple[Any, Any]] = []

    def ours() -> float:
        with place.installation() as app:
            connect(shop, since)
            seconds, cpu, sums = in_child(_download, app)
        pairs.append((sums, cpu))
        return seconds

    def theirs() -> float:
        with place.installation() as app:
            connect(shop, since)
            seconds, cpu, sums = in_child(_bare_download, app, shop.url, targets)
        if sums != pairs[-1][0]:
            raise RuntimeError(f"The bare script wrote other rows: {_first_difference(sums, pairs[-1][0])}")
        pairs[-1] = (pairs[-1][1], cpu)
        return seconds

    mine, peer = alternate(ours, theirs, place.full_or_quick(5, 1))
    details = samples(mine, peer)
    return Measured(
        ratio(mine, peer),
        {
            "orders": orders, "page": PAGE, "requests": len(targets), **details,
            "ours_orders_per_s": round(orders / details["ours_median_s"]),
            "baseline_orders_per_s": round(orders / details["baseline_median_s"]),
            "cpu_ratios": [round(one / other, 4) for one, other in pairs],
        },
    )  # fmt: skip


def _download(app: Flask) -> tuple[float, float, Any]:
    """Seconds, processor seconds, and what is stored."""
    run_id = lifecycle.start_run(1, "orders", "bench").id
    let_go()
    started, cpu = time.perf_counter(), time.process_time()
    done = execution.perform(run_id)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    if done is None or done.outcome != "done":
        raise RuntimeError(f"The run did not end well: {done and done.error}")
    return seconds, cpu, _sums(db.engine)


def _bare_download(app: Flask, url: str, targets: Sequence[str]) -> tuple[float, float, Any]:
    database = db.engine.url
    started, cpu = time.perf_counter(), time.process_time()
    engine = create_engine(database, json_serializer=ENCODE)
    tables = MetaData()
    order_table, line_table = (Table(name, tables, autoload_with=engine) for name in ("order", "order_line"))
    for column in order_table.columns:
        if isinstance(column.type, JSON):
            column.type = JSON(none_as_null=True)
    key = secrets.token_bytes(32)
    seen: set[int] = set()
    with requests.Session() as session:
        for target in targets:
            page = session.get(f"{url}{target}").json()
            orders: list[dict[str, Any]] = []
            lines: list[dict[str, Any]] = []
            for raw in page:
                if raw["orderId"] not in seen:
                    seen.add(raw["orderId"])
                    order = _order(raw, len(seen), key)
                    shipped = order["state"] == "shipped"
                    orders.append(order)
                    its_lines = [_line(item, position, len(seen), shipped, key) for position, item in enumerate(raw["items"])]
                    _fold_in_tax(order, its_lines)
                    lines += its_lines
            if orders:
                with engine.begin() as connection:
                    connection.execute(insert(order_table), orders)
                    connection.execute(insert(line_table), lines)
                    connection.execute(text(SEARCH), _searched(orders, lines))
                    days, skus = _sold(orders, lines)
                    connection.execute(text(DAYS), days)
                    connection.execute(text(SKUS), skus)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return seconds, cpu, _sums(engine)


def _order(raw: dict[str, Any], number: int, key: bytes) -> dict[str, Any]:
    """The columns, by the shortest way that gives the same values for this shop's orders."""
    for name in ("profile", "orig_profile", "events"):
        raw.pop(name, None)
    for item in raw["items"]:
        item.pop("description", None)
        item.pop("shortDescription", None)
    payload = ENCODE(raw).encode()
    customer, fees = raw["customerInfo"], raw["otherSurcharges"]
    other = sum(_money(fee["value"]) for fee in fees.values()) if fees else 0
    total, shipping, discount = _money(raw["total"]), _money(raw["shippingCost"]), _money(raw["discountValue"])
    now = datetime.now(UTC).replace(tzinfo=None)
    state = _state(raw)
    reasons = [f"SKU {item['sku']} is not one of our stock items." for item in raw["items"] if state == "on_hold"]
    return {
        "id": number, "shop_id": 1, "external_id": str(raw["orderId"]), "number": raw["orderNumber"],
        "placed_at": _moment(raw["orderDate"]), "changed_at": _moment(raw["updateDate"]), "currency": raw["currency"],
        "decimals": 2, "total": total, "items": total - shipping - discount - other, "shipping": shipping, "items_tax": 0,
        "shipping_tax": 0, "discount": discount, "other": other, "difference": 0, "tax_lines": None,
        "payment_status": raw["paymentStatus"], "shipping_status": raw["shippingStatus"], "state": state,
        "held_codes": ["unknown_sku"] if reasons else [], "held_reason": "\n".join(dict.fromkeys(reasons)),
        "reason_codes": ["unknown_sku" for _ in dict.fromkeys(reasons)], "problems": [], "note": "",
        "customer": f"{customer['firstname']} {customer['lastname']}", "email": customer["email"],
        "billing_address": _address(raw["billingInfo"]), "shipping_address": _address(raw["shippingInfo"]),
        "payment_method": raw["paymentMethod"], "shipping_method": raw["shippingMethod"],
        "customer_notes": raw["customerNotes"], "admin_notes": raw["adminNotes"],
        "tracking_numbers": [raw["trackingNumber"]] if raw["trackingNumber"] else [],
        "digest": blake2b(payload, digest_size=16).digest(), "raw": payload, "surcharge_rows": None,
        "first_seen_at": now, "updated_at": now, "seen_at": now, "email_digest": _digest(key, customer["email"].strip().lower()),
    }  # fmt: skip


def _line(item: dict[str, Any], position: int, order: int, shipped: bool, key: bytes) -> dict[str, Any]:
    options = [list(pair) for pair in item["attributes"].items()] if item["attributes"] else []
    return {
        "order_id": order, "position": position, "sku": item["sku"], "sku_key": item["sku"].strip().lower(), "name": item["name"], "quantity": item["quantity"],
        "price": _money(item["price"]), "total": _money(item["subtotal"]), "tax": 0,
        "options": options, "product_id": str(item["productId"] or ""), "variant_id": "", "shipped": item["quantity"] if shipped else 0,
        "shop_price": _money(item["price"]), "options_digest": _digest(key, ENCODE(options)) if options else b"",
    }  # fmt: skip


def _fold_in_tax(order: dict[str, Any], lines: Sequence[dict[str, Any]]) -> None:
    """Spread the tax that was added over the lines, to the cent, the last taking the rounding."""
    whole = sum(line["total"] for line in lines)
    left = tax = order["items"] - whole
    if not tax:
        return
    for line in lines:
        part = left if line is lines[-1] else (2 * tax * line["total"] + 100 * whole) // (200 * whole) * 100
        left -= part
        line["total"] += part
        line["price"] = (2 * line["total"] + line["quantity"]) // (2 * line["quantity"])


def _digest(key: bytes, plain: str) -> bytes:
    """By which an erased address, or the options of a line, are known again."""
    return hmac.digest(key, plain.encode(), "sha256")[:16]


def _searched(orders: Sequence[dict[str, Any]], lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The search index: words of number and SKUs, and of customer, email address and whole tracking numbers."""
    skus: dict[int, dict[str, str]] = defaultdict(dict)
    for line in lines:
        skus[line["order_id"]][line["sku_key"]] = line["sku"]
    found = []
    for order in orders:
        words = words_of(order["number"])
        words += [word.lstrip("0") for word in words if word.isdigit() and word[0] == "0" and word.strip("0")]
        words += [word for sku in skus[order["id"]].values() for word in words_of(sku)]
        personal = words_of(order["customer"]) + words_of(order["email"])
        personal += [f"№{''.join(words_of(number))}№" for number in order["tracking_numbers"]]
        found.append({"id": order["id"], "public": " ".join(words), "personal": " ".join(personal)})
    return found


def _sold(orders: Sequence[dict[str, Any]], lines: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The page's sales by day, and by day and SKU."""
    counted = {order["id"]: order for order in orders if order["state"] != "cancelled"}
    days: dict[Any, list[int]] = defaultdict(lambda: [0, 0, 0])
    skus: dict[Any, list[int]] = defaultdict(lambda: [0, 0, 0])
    for order in counted.values():
        sums = days[order["placed_at"].date(), order["currency"]]
        sums[0] += 1
        sums[2] += order["total"]
    seen = set()
    for line in lines:
        order_of = counted.get(line["order_id"])
        if order_of is not None:
            day, currency, key = order_of["placed_at"].date(), order_of["currency"], line["sku_key"]
            days[day, currency][1] += line["quantity"]
            sums = skus[day, key, currency]
            sums[0] += (line["order_id"], key) not in seen
            sums[1] += line["quantity"]
            sums[2] += line["total"]
            seen.add((line["order_id"], key))
    return (
        [{"day": day.isoformat(), "currency": currency, "orders": sums[0], "pieces": sums[1], "total": sums[2]}
         for (day, currency), sums in days.items()],
        [{"day": day.isoformat(), "key": key, "currency": currency, "orders": sums[0], "pieces": sums[1], "total": sums[2]}
         for (day, key, currency), sums in skus.items()],
    )  # fmt: skip


def _money(value: float) -> int:
    return round(value * 100) * 100


def _moment(value: str) -> datetime:
    return datetime.fromisoformat(value).replace(tzinfo=None)


def _state(raw: dict[str, Any]) -> str:
    if raw["shippingStatus"] in ("S", "D", "R"):
        return "shipped"
    return "cancelled" if raw["paymentStatus"] in ("C", "D", "R") or raw["shippingStatus"] == "WND" else "on_hold"


def _address(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": f"{fields['firstname']} {fields['lastname']}", "company": fields.get("company", ""),
        "street": fields["address"], "city": fields["city"], "state": fields["state"], "postcode": fields["zipcode"],
        "country": fields["country"], "phone": fields["phone"], "extra": [],
    }  # fmt: skip


def _sums(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(SUMS)).one())


def _first_difference(left: Sequence[Any], right: Sequence[Any]) -> str:
    for one, other in zip(left, right, strict=True):
        if one != other:
            one, other = str(one), str(other)
            place = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
            return f"…{one[max(0, place - 40) : place + 60]!r} and …{other[max(0, place - 40) : place + 60]!r}"
    return "none"
