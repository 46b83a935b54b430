"""Last pieces that two shops sold."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import Model
from models.stock import StockItem
from models.types import Moment, Units, utcnow


class Oversell(Model):
    """Two shops sold the last pieces of a stock item before Cartlink had read either order: ``order_id`` lacks ``units`` of them,
    ``other_order_id`` has taken the last."""

    __tablename__ = "oversell"

    id: Mapped[int] = mapped_column(primary_key=True)
    stock_item_id: Mapped[int] = mapped_column(ForeignKey("stock_item.id"))
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"))
    other_order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), index=True)
    units: Mapped[int] = mapped_column(Units)
    seen_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)

    stock_item: Mapped[StockItem] = relationship()

    __table_args__ = (UniqueConstraint("order_id", "stock_item_id"),)
