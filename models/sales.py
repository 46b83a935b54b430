"""Sales of each day, kept beside the orders they are counted from."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, Date, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.types import Moment, Money, Units


class SalesOfDay(Model):
    """What a shop sold on one of its days (``Shop.zone``), in one currency, without cancelled orders."""

    __tablename__ = "day_sales"

    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    currency: Mapped[str] = mapped_column(String(10), primary_key=True)
    orders: Mapped[int] = mapped_column(Units)
    pieces: Mapped[int] = mapped_column(Units)
    total: Mapped[Decimal] = mapped_column(Money)
    decimals: Mapped[int] = mapped_column()

    __table_args__ = (Index("ix_day_sales_day", "day"), {"sqlite_with_rowid": False})


class SalesOfSku(Model):
    """What a shop sold of one SKU on one of its days: ``orders`` with it, pieces, and the sum of its lines."""

    __tablename__ = "sku_sales"

    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    sku_key: Mapped[str] = mapped_column(String(255), primary_key=True)
    currency: Mapped[str] = mapped_column(String(10), primary_key=True)
    orders: Mapped[int] = mapped_column(Units)
    pieces: Mapped[int] = mapped_column(Units)
    total: Mapped[Decimal] = mapped_column(Money)

    __table_args__ = ({"sqlite_with_rowid": False},)


class SkuRanking(Model):
    """The first SKUs of a long sales report in one order, as services/reports/rankings.py summed them: key, currency, orders, pieces and total of
    each. ``shop_id`` is 0 for all shops together."""

    __tablename__ = "sku_ranking"

    shop_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    days: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sort: Mapped[str] = mapped_column(String(10), primary_key=True)
    first_day: Mapped[date] = mapped_column(Date)
    last_day: Mapped[date] = mapped_column(Date)
    made_at: Mapped[datetime] = mapped_column(Moment)
    skus: Mapped[list[list[Any]]] = mapped_column(JSON)
