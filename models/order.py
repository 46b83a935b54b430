"""Orders as downloaded, with the money as the integration's settings read it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, ColumnElement, ForeignKey, Index, LargeBinary, String, Text, literal_column, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import db
from models.types import Moment, Money, utcnow

if TYPE_CHECKING:
    from models.kit import LinePart

OPEN_STATES = ("awaiting_payment", "on_hold", "ready", "part_shipped")


class Order(db.Model):
    """``external_id`` is the shop's own id, ``number`` what the merchant sees. ``raw`` is the shop's payload as
    JSON without customer profiles, ``surcharge_rows`` the single money rows where they had to be read.

    items + shipping + items_tax + shipping_tax + discount + other = total − difference; ``difference`` is 0 for a sound order.
    ``state`` is one of awaiting_payment, on_hold, ready, part_shipped, shipped, cancelled. ``held_codes`` and ``held_reason``
    say what holds it, ``problems`` what could not be read of it, ``note`` what is worth knowing but holds nothing.

    ``erased_at`` is when the customer's data was erased (services/privacy.py); what the shop says later does not bring it back.

    ``cancel_unseen`` is true where the shop cancelled it while it was open here and nobody has acknowledged that yet;
    ``called_off_at`` is when a person cancelled it here. ``accepted_codes`` are causes of holding that a person has accepted;
    ``reread_due`` is true while it is to be read from the shop again, ``rows_due`` while its single money rows are, which the
    settings of today need and those of its download did not."""

    __tablename__ = "order"

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"))
    external_id: Mapped[str] = mapped_column(String(64))
    number: Mapped[str] = mapped_column(String(64), default="")
    placed_at: Mapped[datetime] = mapped_column(Moment)
    changed_at: Mapped[datetime] = mapped_column(Moment)
    currency: Mapped[str] = mapped_column(String(10), default="")
    decimals: Mapped[int] = mapped_column(default=2)
    total: Mapped[Decimal] = mapped_column(Money, default=Decimal(0))
    items: Mapped[Decimal] = mapped_column(Money, default=Decimal(0))
    shipping: Mapped[Decimal] = mapped_column(Money, default=Decimal(0))
    items_tax: Mapped[Decimal] = mapped_column(Money, default=Decimal(0))
    shipping_tax: Mapped[Decimal] = mapped_column(Money, default=Decimal(0))
    discount: Mapped[Decimal] = mapped_column(Money, default=Decimal(0))
    other: Mapped[Decimal] = mapped_column(Money, default=Decimal(0))
    difference: Mapped[Decimal] = mapped_column(Money, default=Decimal(0))
    tax_lines: Mapped[list[list[str]] | None] = mapped_column(JSON(none_as_null=True))
    payment_status: Mapped[str] = mapped_column(String(40), default="")
    shipping_status: Mapped[str] = mapped_column(String(40), default="")
    state: Mapped[str] = mapped_column(String(20), default="ready")
    held_codes: Mapped[list[str]] = mapped_column(JSON, default=list)
    held_reason: Mapped[str] = mapped_column(Text, default="")
    problems: Mapped[list[str]] = mapped_column(JSON, default=list)
    note: Mapped[str] = mapped_column(Text, default="")
    customer: Mapped[str] = mapped_column(Text, default="")
    email: Mapped[str] = mapped_column(Text, default="")
    billing_address: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    shipping_address: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    payment_method: Mapped[str] = mapped_column(Text, default="")
    shipping_method: Mapped[str] = mapped_column(Text, default="")
    customer_notes: Mapped[str] = mapped_column(Text, default="")
    admin_notes: Mapped[str] = mapped_column(Text, default="")
    tracking_numbers: Mapped[list[str]] = mapped_column(JSON, default=list)
    digest: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    raw: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    surcharge_rows: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    first_seen_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    erased_at: Mapped[datetime | None] = mapped_column(Moment)
    cancel_unseen: Mapped[bool] = mapped_column(default=False)
    called_off_at: Mapped[datetime | None] = mapped_column(Moment)
    accepted_codes: Mapped[list[str]] = mapped_column(JSON, default=list)
    reread_due: Mapped[bool] = mapped_column(default=False)
    rows_due: Mapped[bool] = mapped_column(default=False)

    lines: Mapped[list[OrderLine]] = relationship(order_by="OrderLine.position", back_populates="order")

    @hybrid_property
    def held(self) -> bool:
        return self.state == "on_hold"

    @held.inplace.expression
    @classmethod
    def _held(cls) -> ColumnElement[bool]:
        """Written out, not bound: SQLite takes a partial index only where it can read that the rows are in it."""
        return cls.state == literal_column("'on_hold'")

    __table_args__ = (
        Index("uq_order_shop_external_id", "shop_id", "external_id", unique=True),
        Index("ix_order_shop_placed", "shop_id", "placed_at"),
        Index("ix_order_shop_number", "shop_id", "number"),
        Index("ix_order_placed", "placed_at", "shop_id"),
        Index("ix_order_state_placed", "state", "placed_at", "shop_id"),
        # SQLite takes a partial index only where the query has its condition to the letter, and a flag is asked for as "= 1".
        Index("ix_order_reread_due", "shop_id", sqlite_where=text("reread_due = 1"), postgresql_where=text("reread_due")),
        Index("ix_order_rows_due", "shop_id", "placed_at", sqlite_where=text("rows_due = 1"), postgresql_where=text("rows_due")),
        Index(
            "ix_order_cancel_unseen", "shop_id", sqlite_where=text("cancel_unseen = 1"), postgresql_where=text("cancel_unseen")
        ),
        Index("ix_order_held", "shop_id", sqlite_where=text("state = 'on_hold'"), postgresql_where=text("state = 'on_hold'")),
    )


class OrderLine(db.Model):
    """``price`` is per unit and ``total`` for the quantity, as recorded under the settings; ``tax`` is beside them.

    ``reserved`` is what this line holds of its stock item now, ``shipped`` what has gone out."""

    __tablename__ = "order_line"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column()
    sku: Mapped[str] = mapped_column(String(255), default="", index=True)
    name: Mapped[str] = mapped_column(Text, default="")
    quantity: Mapped[int] = mapped_column()
    price: Mapped[Decimal] = mapped_column(Money)
    total: Mapped[Decimal] = mapped_column(Money)
    tax: Mapped[Decimal] = mapped_column(Money, default=Decimal(0))
    options: Mapped[list[list[str]]] = mapped_column(JSON, default=list)
    product_id: Mapped[str] = mapped_column(String(64), default="")
    variant_id: Mapped[str] = mapped_column(String(64), default="")
    stock_item_id: Mapped[int | None] = mapped_column(ForeignKey("stock_item.id"), index=True)
    reserved: Mapped[int] = mapped_column(default=0)
    shipped: Mapped[int] = mapped_column(default=0)

    order: Mapped[Order] = relationship(back_populates="lines")
    parts: Mapped[list[LinePart]] = relationship(
        "LinePart", order_by="LinePart.stock_item_id", back_populates="line", cascade="all, delete-orphan", passive_deletes=True
    )


class OrderChange(db.Model):
    """One change the shop made to an order after we first stored it: which fields, before and after."""

    __tablename__ = "order_change"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), index=True)
    seen_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("sync_run.id"))
    fields: Mapped[dict[str, list[Any]]] = mapped_column(JSON)

    __table_args__ = (
        Index(
            "ix_order_change_run", "run_id", sqlite_where=text("run_id IS NOT NULL"), postgresql_where=text("run_id IS NOT NULL")
        ),
    )
