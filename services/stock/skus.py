"""Stock items found by a SKU in any spelling: an exact spelling first, then the key (models/sku_key.py).

A key that several stock items share means none of them: they are named, and a person decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, text, union_all

from extensions import db
from models import StockItem, text_parts
from models.sku_key import folded, sku_key, tidy
from models.types import among
from services.common.batches import batches
from services.common.paging import MOST_COUNTED

_items = StockItem.__table__.c
_COLUMNS = (_items.id, _items.sku, _items.sku_key, _items.shared_key)
# Asked for every page of orders: made once, on the table. Two parts, so that each uses its own index. The first does not ask whether
# the key is shared: SQLite would go through all items whose shared key is NULL.
BY_KEY = union_all(
    select(*_COLUMNS).where(among(_items.sku_key, "keys")),
    select(*_COLUMNS).where(among(_items.shared_key, "keys")),
)

SEARCHED = {
    # Without INDEXED BY, or without an order, both databases would read the whole table: they take its rows to be shorter than they are.
    "sqlite": "SELECT id FROM {table} INDEXED BY ix_{table}_searched WHERE instr(searched, :part) > 0 LIMIT :most",
    "postgresql": "SELECT id FROM {table} WHERE strpos(searched, :part) > 0 ORDER BY id LIMIT :most",
}
"""By database: the first ids of a table whose ``searched`` has a part, which is looked for in every row."""


class FoundItems:
    """The stock items that some SKUs mean."""

    def __init__(self, rows: Iterable[Any]):
        self._single: dict[str, int] = {}
        self._shared: dict[str, dict[str, int]] = defaultdict(dict)
        for item_id, sku, key, shared in rows:
            if shared is None:
                self._single[key] = item_id
            else:
                self._shared[shared][sku] = item_id

    def __bool__(self) -> bool:
        return bool(self._single or self._shared)

    def get(self, sku: str) -> int | None:
        """The id of the stock item a SKU means; None where there is none, and where it could be several."""
        key = sku_key(sku)
        spellings = self._shared.get(key)
        if spellings is None:
            return self._single.get(key)
        return spellings.get(sku) or spellings.get(tidy(sku))

    def could_mean(self, sku: str) -> tuple[str, ...]:
        """The SKUs of the stock items a SKU could mean, where it could mean several; else nothing."""
        spellings = self._shared.get(sku_key(sku))
        return tuple(sorted(spellings)) if spellings and self.get(sku) is None else ()


def find_items(skus: Iterable[str]) -> FoundItems:
    """The stock items that these SKUs mean, in one statement for each batch of them."""
    keys = sorted({sku_key(sku) for sku in skus} - {""})
    rows: list[Any] = []
    for batch in batches(keys):
        rows += db.session.execute(BY_KEY, {"keys": batch}).all()
    return FoundItems(rows)


def same_sku(item: Any, other: Any) -> ColumnElement[bool]:
    """In SQL: whether the SKU of ``other``, a row with ``sku`` and ``sku_key``, means the stock item ``item``."""
    return or_(
        and_(item.sku_key == other.sku_key, item.shared_key.is_(None)),
        and_(item.shared_key == other.sku_key, item.sku == other.sku),
    )


def any_spelling(item: Any, other: Any) -> ColumnElement[bool]:
    """In SQL: whether the SKU of ``other`` means the stock item ``item`` or could mean it."""
    return or_(and_(item.sku_key == other.sku_key, item.shared_key.is_(None)), item.shared_key == other.sku_key)


def found_by(row: Any, search: str) -> ColumnElement[bool]:
    """In SQL: whether a part of a row's SKU or name is what a person searches for, in any letter case.

    Up to ``MOST_COUNTED`` rows are looked for first, in an index that is far narrower than the table. Where there are more, the condition itself
    stands: a list in any order meets enough of them soon."""
    ids = _with_part(row.__tablename__, folded(search))
    if len(ids) > MOST_COUNTED:
        place = func.instr if db.session.get_bind().dialect.name == "sqlite" else func.strpos
        part: ColumnElement[bool] = place(row.searched, folded(search)) > 0
        return part
    found: ColumnElement[bool] = row.id.in_(ids)
    return found


def _with_part(table: str, part: str) -> Sequence[int]:
    """The ids of up to one more than ``MOST_COUNTED`` rows."""
    indexed = len(part) >= text_parts.LENGTH
    statement = (text_parts.FOUND if indexed else SEARCHED)[db.session.get_bind().dialect.name]
    values = text_parts.asked(part) if indexed else {"part": part}
    return db.session.scalars(text(statement.format(table=table)), {**values, "most": MOST_COUNTED + 1}).all()


def alike() -> list[tuple[str, ...]]:
    """The SKUs of stock items that differ only in spelling: they were there before there were keys, and a person decides."""
    found: dict[str, list[str]] = defaultdict(list)
    query = select(StockItem.shared_key, StockItem.sku).where(StockItem.shared_key.is_not(None)).order_by(StockItem.sku)
    for key, sku in db.session.execute(query):
        found[key or ""].append(sku)
    return [tuple(each) for _, each in sorted(found.items())]
