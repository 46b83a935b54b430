"""What is available of a stock item, as an expression of the database."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Integer, case, literal_column

from models import StockItem

FREE = StockItem.on_hand - StockItem.reserved - StockItem.buffer
_NONE: ColumnElement[int] = literal_column("0", Integer())
AVAILABLE = case((FREE > _NONE, FREE), else_=_NONE)
"""As the index ``ix_stock_item_available`` has it: with parameters instead of zeros it would not be used."""

AVAILABLE_OF_FEW = AVAILABLE + _NONE
"""To sort few items by: SQLite would read the index of all instead of finding the few."""
