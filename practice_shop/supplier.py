"""A supplier beside the practice shop: a stock list of the shop's SKUs whose quantities change, for trying feeds.

`/supplier/stock.csv` needs no sign-in, `/supplier/basic/stock.csv` takes the user `supplier` and the password `practice`. Each minute about one quantity
in ten is another one. The list has an `ETag` and a `Last-Modified`, and answers 304 to a client that has it."""

import base64
import csv
import hashlib
import io
import zlib
from email.utils import formatdate

from .replies import Reply

PREFIX = "/supplier/"
USER, PASSWORD = "supplier", "practice"
HEADINGS = ("Supplier SKU", "Description", "Stock")
_TURN = 600
"""Seconds for which one quantity stays the same; each begins at another time."""
_MOST = 60


def answer(request, store) -> Reply:
    """The reply to a request below PREFIX."""
    path = request.target.partition("?")[0][len(PREFIX) :]
    if path not in ("stock.csv", "basic/stock.csv"):
        return Reply(404, b"There is no such file.\n", {"Content-Type": "text/plain"})
    if request.method not in ("GET", "HEAD"):
        return Reply(405, b"", {"Allow": "GET"})
    wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    if path.startswith("basic/") and request.headers.get("authorization") != wanted:
        return Reply(401, b"", {"WWW-Authenticate": 'Basic realm="supplier"'})
    now = store.now()
    body = stock_list(store, now)
    headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()[:20]}"', "Last-Modified": formatdate(now // 60 * 60, usegmt=True)}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Reply(304, b"", headers)
    return Reply(200, body, {**headers, "Content-Type": "text/csv; charset=utf-8"})


def stock_list(store, now: float) -> bytes:
    """The list at a time, in whole minutes: the same time gives the same list."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(HEADINGS)
    with store.lock:
        named = [(each.sku, each.name) for each in store.products.values()]
        named += [(each.sku, f"{store.products[each.product_id].name}, variant") for each in store.variants.values()]
    minute = int(now) // 60 * 60
    for sku, name in sorted((sku, name) for sku, name in named if sku):
        turn = (minute + zlib.crc32(sku.encode()) % _TURN) // _TURN
        writer.writerow((sku, name, zlib.crc32(f"{sku}/{turn}".encode()) % _MOST))
    return file.getvalue().encode()
