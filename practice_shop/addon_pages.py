"""Rendered rows and pages of the add-on, kept until what they show changes.

A page asked for again costs a look-up, so that a benchmark against the practice shop measures its client.
"""

import gzip
import hashlib
from collections import OrderedDict

from . import addon_complex, addon_entities, addon_query, addon_single
from .replies import php_json

KEEP_BYTES = 64 * 1024 * 1024
PLAIN = {
    "product": addon_entities.product_columns,
    "variant": addon_entities.variant_columns,
    "order": addon_entities.order_columns,
    "tracking": addon_entities.tracking_columns,
    "item": addon_entities.item_columns,
    "payment-status": addon_entities.status_columns,
    "shipping-status": addon_entities.status_columns,
}


class Page:
    """One rendered list: its bytes, its row count, its ETag, and its gzipped form once asked for."""

    __slots__ = ("body", "count", "etag", "_zipped")

    def __init__(self, body: bytes, count: int):
        self.body = body
        self.count = count
        self.etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        self._zipped: bytes | None = None

    def zipped(self) -> bytes:
        if self._zipped is None:
            self._zipped = gzip.compress(self.body, 1, mtime=0)
        return self._zipped


class ListPages:
    """The rendered rows and pages of one shop's add-on. Callers hold the store's lock."""

    def __init__(self, store):
        self.store = store
        self._rows: dict[tuple, tuple[int, bytes]] = {}
        self._pages: OrderedDict[tuple, Page] = OrderedDict()
        self._kept = 0

    def get(self, kind: str, schema: str, cnd, shift: int = 0) -> Page:
        """The page a list request gets. Raises what `addon_query.select` raises, and `BrokenOrder`."""
        store = self.store
        key = (
            kind, schema, repr(cnd), store.catalogue_version, store.orders_version, store.natural_order,
            store.supports_update_date, shift,
        )  # fmt: skip
        page = self._pages.get(key)
        if page is not None:
            self._pages.move_to_end(key)
            return page
        found = addon_query.select(store, kind, cnd, shift) if isinstance(cnd, dict) else addon_query.table(store, kind)
        page = Page(b"[" + b",".join([self.row(kind, schema, row) for row in found]) + b"]", len(found))
        self._keep(key, page)
        return page

    def row(self, kind: str, schema: str, row) -> bytes:
        """One row of a list, rendered."""
        revision = getattr(row, "revision", None)
        if revision is None:
            return php_json(self._render(kind, schema, row))
        key = (kind, schema, row.id)
        kept = self._rows.get(key)
        if kept is None or kept[0] != revision:
            kept = (revision, php_json(self._render(kind, schema, row)))
            self._rows[key] = kept
        return kept[1]

    def single(self, kind: str, schema: str, row) -> dict:
        """One entity as its own path shows it."""
        if schema == "complex":
            return self._render(kind, schema, row)
        if kind in ("payment-status", "shipping-status"):
            return addon_single.status(row)
        return getattr(addon_single, kind)(self.store, row)

    def _render(self, kind: str, schema: str, row) -> dict:
        if schema == "complex":
            return getattr(addon_complex, kind)(self.store, row)
        return PLAIN[kind](row)

    def _keep(self, key: tuple, page: Page) -> None:
        self._pages[key] = page
        self._kept += len(page.body)
        while self._kept > KEEP_BYTES and len(self._pages) > 1:
            _, dropped = self._pages.popitem(last=False)
            self._kept -= len(dropped.body)
