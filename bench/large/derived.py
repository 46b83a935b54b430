"""What the application keeps beside its orders, written by the database for all orders at once: the search index and the daily sales.

The application itself makes both row by row (services/orders/search.py, services/orders/daily_sales.py); a test compares them.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, delete, text, update

from models import SalesOfDay, SalesOfSku, Shop
from models.types import utcnow

COUNTED = "o.state <> 'cancelled' AND o.number <> ''"
DAYS = """
INSERT INTO day_sales (shop_id, day, currency, orders, pieces, total, decimals)
SELECT o.shop_id, {day}, o.currency, count(*), coalesce(sum(s.pieces), 0), sum(o.total), max(o.decimals)
FROM "order" o LEFT JOIN (SELECT order_id, sum(quantity) AS pieces FROM order_line GROUP BY order_id) s ON s.order_id = o.id
WHERE {counted} GROUP BY 1, 2, 3
"""
SKUS = """
INSERT INTO sku_sales (shop_id, day, sku_key, currency, orders, pieces, total)
SELECT o.shop_id, {day}, l.sku_key, o.currency, count(DISTINCT o.id), sum(l.quantity), sum(l.total)
FROM order_line l JOIN "order" o ON o.id = l.order_id WHERE {counted} GROUP BY 1, 2, 3, 4
"""


def write_sales(connection: Connection) -> None:
    """Sales by day, and by day and SKU. Every shop's zone has to be UTC."""
    sqlite = connection.dialect.name == "sqlite"
    day = "date(o.placed_at)" if sqlite else "CAST(o.placed_at AT TIME ZONE 'UTC' AS date)"
    for model, statement in ((SalesOfDay, DAYS), (SalesOfSku, SKUS)):
        connection.execute(delete(model))
        connection.execute(text(statement.format(day=day, counted=COUNTED)))
    connection.execute(update(Shop).values(zone="", sales_checked_to=utcnow().date() - timedelta(days=1)))


def write_search(connection: Connection, first_id: int) -> None:
    """Rows of the search index for the copied orders, whose ids begin at ``first_id``. ``bench_name`` has the words of each customer's name;
    all else is words with single characters between them."""
    if connection.dialect.name == "sqlite":
        # In memory as long as it can be: FTS5 would merge its parts again and again.
        _set_fts(connection, "hashsize", 256 * 1024**2)
        connection.execute(text(SEARCHED.format(**FTS)), {"first": first_id})
        _set_fts(connection, "hashsize", 1024**2)
        return
    connection.execute(text("DROP INDEX ix_order_search_words"))
    connection.execute(text(SEARCHED.format(**VECTORS)), {"first": first_id})
    connection.execute(text("CREATE INDEX ix_order_search_words ON order_search USING gin (words)"))


SEARCHED = """
INSERT INTO order_search ({columns})
SELECT id, {words} FROM (
    SELECT o.id AS id,
           replace(trim(o.number || ' ' || ltrim(o.number, '0')) || ' ' ||
                   (SELECT {joined}(sku_key, ' ') FROM (SELECT l.sku_key FROM order_line l WHERE l.order_id = o.id ORDER BY l.id) each_line),
                   '-', ' ') AS public,
           w.words || ' ' || replace(replace(o.email, '.', ' '), '@', ' ') AS personal
    FROM "order" o JOIN bench_name w ON w.name = o.customer WHERE o.id >= :first
) searched
"""
FTS = {"columns": "rowid, public, personal", "words": "public, personal", "joined": "group_concat"}
VECTORS = {
    "columns": "order_id, words", "words": "setweight(to_tsvector('simple', public), 'A') || to_tsvector('simple', personal)",
    "joined": "string_agg",
}  # fmt: skip


def _set_fts(connection: Connection, name: str, value: int) -> None:
    connection.execute(
        text("INSERT INTO order_search (order_search, rank) VALUES (:name, :value)"), {"name": name, "value": value}
    )
