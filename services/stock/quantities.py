"""What is available of a stock item, as an expression of the database."""

from __future__ import annotations

from sqlalchemy import case

from models import StockItem

FREE = StockItem.on_hand - StockItem.reserved - StockItem.buffer
AVAILABLE = case((FREE > 0, FREE), else_=0)
