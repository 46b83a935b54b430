"""The rows of a file of quantities, read and checked in one way for pages, commands and the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select

from errors import InvalidInput
from extensions import db, reading
from models import StockItem
from models.sku_key import LONGEST, sku_key, tidy
from services.common import csv_files, whole_numbers
from services.stock import skus

COLUMNS = {
    "sku": ("sku", "item", "stock item"), "quantity": ("quantity", "qty", "on hand", "on_hand", "stock", "amount"),
}  # fmt: skip
MOST = 2_147_483_647
"""The largest quantity that a shop can store (X-Cart 5.4 and 5.5, observed: greater ones become this)."""
MOST_ROWS = 500_000


def read(text: csv_files.Source) -> Iterator[dict[str, Any]]:
    """The rows of what ``csv_files.opened`` gives as columns of models.StockFileRow, each with what is wrong with it as ``problem``.
    Raises InvalidInput for a file that is wrong as a whole."""
    seen: dict[str, int] = {}
    with reading():
        alike = {sku_key(group[0]): group for group in skus.alike()}
        zeros = _with_zeros()
    for number, row in enumerate(csv_files.read(text, COLUMNS, ("sku", "quantity"))):
        if number >= MOST_ROWS:
            raise InvalidInput(f"The file has more than {MOST_ROWS:,} rows.", "Split it into several.")
        sku, quantity = tidy(row.cells["sku"]), whole_numbers.parse(row.cells["quantity"], MOST)
        key = sku_key(sku)
        name = sku if key in alike else key
        problem = ""
        if not sku:
            problem = "no SKU"
        elif len(sku) > LONGEST or not sku.isprintable():
            problem = f"{sku[:40]!r} cannot be a SKU"
        elif damage := _damaged(sku, zeros):
            problem = f"{damage} {csv_files.AS_TEXT_ADVICE}"
        elif sku not in alike.get(key, (sku,)):
            problem = f"{sku} could be {' or '.join(alike[key])}: give it exactly as the stock item has it"
        elif name in seen:
            problem = f"{sku} is in line {seen[name]} already"
        elif quantity is None:
            problem = f"{sku}: {row.cells['quantity'][:40]!r} is not a whole number from 0 to {MOST}"
        seen.setdefault(name, row.line)
        yield {"line": row.line, "sku": sku[:LONGEST], "sku_key": key, "quantity": quantity or 0, "problem": problem}


def _with_zeros() -> dict[str, str]:
    """The SKUs of stock items that are numbers with zeros at their beginning, by what a spreadsheet makes of them."""
    found = db.session.scalars(select(StockItem.sku).where(StockItem.sku.startswith("0")))
    return {sku.lstrip("0"): sku for sku in found if sku.isascii() and sku.isdigit()}


def _damaged(sku: str, zeros: Mapping[str, str]) -> str:
    """What a spreadsheet did to a SKU; empty for a SKU that is a stock item's, however it looks."""
    damage = csv_files.damage(sku)
    if not damage and csv_files.looks_like_date(sku):
        damage = f"{sku} looks like a date that a spreadsheet has made of a SKU."
    if not damage and sku in zeros:
        damage = (
            f"There is no stock item {sku}. There is {zeros[sku]}: a spreadsheet may have removed the zeros. If {sku} is another one, "
            "add it on the stock page first."
        )
    if not damage:
        return ""
    with reading():
        known = db.session.scalar(select(StockItem.id).where(StockItem.sku == sku).limit(1))
    return "" if known is not None else damage
