"""Parts of order lines whose listing takes from several stock items, or from one several times: kits."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import db
from models.order import OrderLine
from models.stock import StockItem


class LinePart(db.Model):
    """What one kit line takes of one stock item: ``units`` a piece, ``reserved`` units now. The line itself has no stock item;
    its ``reserved`` is how many whole pieces its scarcest part makes."""

    __tablename__ = "line_part"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_line_id: Mapped[int] = mapped_column(ForeignKey("order_line.id", ondelete="CASCADE"))
    stock_item_id: Mapped[int] = mapped_column(ForeignKey("stock_item.id"), index=True)
    units: Mapped[int] = mapped_column(default=1)
    reserved: Mapped[int] = mapped_column(default=0)

    line: Mapped[OrderLine] = relationship(back_populates="parts")
    stock_item: Mapped[StockItem] = relationship()

    __table_args__ = (
        UniqueConstraint("order_line_id", "stock_item_id"),
        CheckConstraint("units > 0", name="units_positive"),
        CheckConstraint("reserved >= 0", name="reserved_not_negative"),
    )
