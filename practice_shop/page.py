"""A small page about a practice shop: what it holds, and the last requests."""

import re
from datetime import UTC, datetime
from html import escape

SHOWN = 20
_KEY = re.compile(r"(_key=)[^&]*")


def page(shop) -> str:
    """The page as HTML; keys in request lines are left out."""
    store = shop.store
    summary = store.summary()
    with store.lock:
        orders = [_order_cells(store, order) for order in list(store.orders.values())[-SHOWN:][::-1]]
        products = [_product_cells(store, product) for product in list(store.products.values())[:SHOWN]]
    with shop.log_lock:
        entries = [_request_cells(entry) for entry in shop.requests[-SHOWN:][::-1]]
    counts = [("Products", summary["products"]), ("Variants", summary["variants"]), ("Orders", summary["orders"]),
              ("Units on hand", summary["units_on_hand"]), ("Mails sent", summary["mails"])]  # fmt: skip
    faults = ", ".join(shop.faults.as_dict()) or "none"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="10">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Practice shop</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1b1b; }}
table {{ border-collapse: collapse; width: 100%; margin-bottom: 2rem; }}
th, td {{ text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #ccc; vertical-align: top; }}
td {{ overflow-wrap: anywhere; }}
dl {{ display: flex; flex-wrap: wrap; gap: 0 2rem; }} dd {{ margin: 0; font-weight: 600; }}
</style>
</head>
<body>
<main>
<h1>Practice shop</h1>
<p>This is no real shop. It answers as X-Cart does at <code>{escape(shop.url)}</code>, for learning and for tests.
Beside it a supplier has <a href="/supplier/stock.csv">a stock list</a> that changes each minute, for trying feeds; <a href="/supplier/basic/stock.csv">the same with a
sign-in</a> takes the user <code>supplier</code> and the password <code>practice</code>.</p>
<dl>{"".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in counts)}
<div><dt>Faults set</dt><dd>{escape(faults)}</dd></div></dl>
{_table("Last requests", ("At", "Request", "Body", "Status"), entries)}
{_table("Last orders", ("Order", "Placed", "Lines", "Total", "Payment", "Shipping", "Tracking"), orders)}
{_table("Products", ("Id", "SKU", "Name", "Quantity"), products)}
</main>
</body>
</html>
"""


def _table(title: str, heads: tuple[str, ...], rows: list[tuple]) -> str:
    if not rows:
        return f"<h2>{title}</h2><p>None yet.</p>"
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<h2>{title}</h2>\n<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _request_cells(entry: dict) -> tuple:
    target = _KEY.sub(r"\1…", entry["target"])
    body = _KEY.sub(r"\1…", entry["body"])
    return _time(entry["at"]), f"{entry['method']} {target}", body[:300], entry["status"]


def _order_cells(store, order) -> tuple:
    payment, shipping = store.status("payment", order.payment_id), store.status("shipping", order.shipping_id)
    lines = ", ".join(f"{item.amount} × {item.sku}" for item in order.items)
    total = f"{order.total:.2f} {order.currency or ''}"
    tracking = ", ".join(row.value for row in order.trackings)
    return (
        order.number or f"(no number, id {order.id})",
        _time(order.date),
        lines,
        total,
        payment.name if payment else "none",
        shipping.name if shipping else "none",
        tracking,
    )


def _product_cells(store, product) -> tuple:
    variants = [store.variants[variant_id] for variant_id in store.variants_of.get(product.id, ())]
    amounts = ", ".join(
        f"{variant.sku or product.sku}: {'as product' if variant.default_amount else variant.amount}" for variant in variants
    )
    amount = str(product.amount) if product.inventory_enabled else "not counted"
    return product.id, product.sku or "", product.name, f"{amount} ({amounts})" if variants else amount
