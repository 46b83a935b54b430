"""Rendered rows and pages, kept until what they show changes.

A page asked for again costs a look-up, so that a benchmark against the practice shop measures its client.
"""

import gzip
import hashlib
from collections import OrderedDict

from .replies import php_json

KEEP_BYTES = 64 * 1024 * 1024


class Page:
    """One rendered list: its bytes, its row count, its ETag (unquoted), and its gzipped form once asked for."""

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


class KeptPages:
    """The rendered rows and pages of one program over one store. Callers hold the store's lock."""

    def __init__(self, store):
        self._store = store
        self._rows: dict[tuple, tuple[int, bytes]] = {}
        self._pages: OrderedDict[tuple, Page] = OrderedDict()
        self._kept = 0

    def page(self, key: tuple, find, render) -> Page:
        """The page of this key: kept, or made of the rows `find()` gives, each rendered by `render(row)`."""
        store = self._store
        key = (*key, store.catalogue_version, store.orders_version)
        page = self._pages.get(key)
        if page is not None:
            self._pages.move_to_end(key)
            return page
        found = find()
        page = Page(b"[" + b",".join([render(row) for row in found]) + b"]", len(found))
        self._pages[key] = page
        self._kept += len(page.body)
        while self._kept > KEEP_BYTES and len(self._pages) > 1:
            _, dropped = self._pages.popitem(last=False)
            self._kept -= len(dropped.body)
        return page

    def row(self, kind: str, row, make) -> bytes:
        """One row as JSON: kept while the record's revision is the same, else what `make()` gives."""
        revision = getattr(row, "revision", None)
        if revision is None:
            return php_json(make())
        kept = self._rows.get((kind, row.id))
        if kept is None or kept[0] != revision:
            kept = (revision, php_json(make()))
            self._rows[kind, row.id] = kept
        return kept[1]
