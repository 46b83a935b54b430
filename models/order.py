"""Orders as downloaded, with the money as the integration's settings read it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    event,
    inspect,
    literal_column,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.sql.functions import FunctionElement

from extensions import Model
from models.sku_key import key_of_sku
from models.stock import StockItem
from models.types import Moment, Money, Units, utcnow

OPEN_STATES = ("awaiting_payment", "on_hold", "ready", "part_shipped")

CURRENT = text("superseded_at IS NULL")
GONE_CODE = "gone"
"""The cause that holds an order which the shop no longer has, and the error of its write-backs."""

STILL_OPEN = text(
    "superseded_at IS NULL AND gone_at IS NULL AND state IN ('awaiting_payment', 'on_hold', 'ready', 'part_shipped')"
)
"""Orders that are requested by id if no reading has shown them for a while (services/orders/deletions.py)."""


SUSPECTED = text("seen_at IS NULL AND superseded_at IS NULL AND gone_at IS NULL")
"""Orders that a reading should have shown and did not: they are requested by id, in any state."""


def mark_of(superseded_at: datetime | None, gone_at: datetime | None) -> str:
    """The label beside the state of an order that the shop no longer has; empty for all others."""
    if superseded_at is not None:
        return "id used again"
    return "deleted in the shop" if gone_at is not None else ""


def _causes() -> Index:
    """By which SQLite reads why orders are held without reading the orders (services/orders/held.py). PostgreSQL has no order for JSON, and limits
    the length of what is in an index."""
    columns = ("state", "placed_at", "id", "shop_id", "held_codes", "held_reason", "reason_codes")
    index = Index("ix_order_causes", *columns, sqlite_where=text("state = 'on_hold'"))
    index.ddl_if(dialect="sqlite")
    return index


class Order(Model):
    """``external_id`` is the shop's own id, ``number`` what the merchant sees. ``raw`` is the shop's payload as
    JSON without customer profiles, ``surcharge_rows`` the single money rows where they had to be read.

    items + shipping + items_tax + shipping_tax + discount + other = total − difference; ``difference`` is 0 for a sound order.
    ``state`` is one of awaiting_payment, on_hold, ready, part_shipped, shipped, cancelled. ``held_codes`` and ``held_reason``
    say what holds it: the causes, and one sentence a line; ``reason_codes`` has the cause of each line. ``problems`` is what could not be read
    of it, ``note`` what is worth knowing but holds nothing.

    ``erased_at`` is when the customer's data was erased (services/operations/privacy.py); later readings do not bring it back.

    ``cancel_unseen`` is true where the shop cancelled it while it was open here and nobody has marked that as seen yet;
    ``called_off_at`` is when a person cancelled it here. ``reopened_status`` is a shipping status of the shop that does not count as
    shipped here, because a person voided the shipment behind it; empty for none. ``accepted_codes`` are causes of holding that a person has accepted;
    ``reread_due`` is true while it is to be read from the shop again, ``rows_due`` while its single money rows are, which the
    settings of today need and those of its download did not.

    ``superseded_at`` is when the shop was found to use this order's id for another order, as after a restore from a backup.
    The row is kept and closed to the shop; the other order has another row. ``email_digest`` is a keyed digest of the
    customer's email address (services/order_basics/identity.py); it survives erasing. ``doubts`` are (code, sentence) pairs that hold
    the order until a person accepts them; ``shown_instead`` is what the shop showed under its id where that may be another order.
    ``seen_at`` is when a reading last showed the order, ``gone_at`` when the shop
    was found to have it no longer, ``gone_seen_at`` when a person marked that as seen."""

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
    reason_codes: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
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
    reopened_status: Mapped[str] = mapped_column(String(40), default="", server_default="")
    accepted_codes: Mapped[list[str]] = mapped_column(JSON, default=list)
    reread_due: Mapped[bool] = mapped_column(default=False)
    rows_due: Mapped[bool] = mapped_column(default=False)
    superseded_at: Mapped[datetime | None] = mapped_column(Moment)
    email_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    doubts: Mapped[list[list[str]]] = mapped_column(JSON, default=list, server_default="[]")
    shown_instead: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    seen_at: Mapped[datetime | None] = mapped_column(Moment, default=utcnow)
    gone_at: Mapped[datetime | None] = mapped_column(Moment)
    gone_seen_at: Mapped[datetime | None] = mapped_column(Moment)

    lines: Mapped[list[OrderLine]] = relationship(order_by="OrderLine.position", back_populates="order")

    @property
    def mark(self) -> str:
        return mark_of(self.superseded_at, self.gone_at)

    @property
    def amounts_known(self) -> bool:
        """Whether the shop could print the order. Of one that it could not, neither number nor amounts are known: the amounts stored are 0."""
        return self.number != ""

    @hybrid_property
    def held(self) -> bool:
        return self.state == "on_hold"

    @held.inplace.expression
    @classmethod
    def _held(cls) -> ColumnElement[bool]:
        """Written out, not bound: SQLite takes a partial index only where it can read that the rows are in it."""
        return cls.state == literal_column("'on_hold'")

    __table_args__ = (
        Index("uq_order_shop_external_id", "shop_id", "external_id", unique=True, sqlite_where=CURRENT, postgresql_where=CURRENT),
        Index("ix_order_suspected", "shop_id", sqlite_where=SUSPECTED, postgresql_where=SUSPECTED),
        Index("ix_order_still_open", "shop_id", "seen_at", sqlite_where=STILL_OPEN, postgresql_where=STILL_OPEN),
        Index("ix_order_gone", "shop_id", sqlite_where=text("gone_at IS NOT NULL"), postgresql_where=text("gone_at IS NOT NULL")),
        Index("ix_order_shop_placed", "shop_id", "placed_at"),
        Index("ix_order_shop_number", "shop_id", "number"),
        Index("ix_order_external_id", "external_id"),
        Index("ix_order_number", "number", "id"),
        Index("ix_order_total", "total", "id"),
        Index("ix_order_shop_total", "shop_id", "total", "id"),
        Index("ix_order_customer", "customer", "id"),
        Index("ix_order_updated", "updated_at", "id"),
        Index("ix_order_placed", "placed_at", "shop_id"),
        Index("ix_order_state_placed", "state", "placed_at", "shop_id"),
        # SQLite takes a partial index only where the query has its condition to the letter, and a flag is asked for as "= 1".
        Index("ix_order_reread_due", "shop_id", sqlite_where=text("reread_due = 1"), postgresql_where=text("reread_due")),
        Index("ix_order_rows_due", "shop_id", "placed_at", sqlite_where=text("rows_due = 1"), postgresql_where=text("rows_due")),
        Index(
            "ix_order_cancel_unseen", "shop_id", sqlite_where=text("cancel_unseen = 1"), postgresql_where=text("cancel_unseen")
        ),
        Index("ix_order_held", "shop_id", sqlite_where=text("state = 'on_hold'"), postgresql_where=text("state = 'on_hold'")),
        _causes(),
    )


class _HeldOrders(FunctionElement[int]):
    name = "held_orders"
    inherit_cache = True
    type = Integer()


def held_orders(shop_id: Any) -> ColumnElement[int]:
    """How many orders of a shop are on hold, as a part of a statement about many shops. SQLite is given the index: without statistics it
    reads the orders on hold of all shops for each of them, or all orders of each shop."""
    return _HeldOrders(shop_id)


HELD_OF_SHOP = """(SELECT count(*) FROM "order" AS held {index}WHERE held.shop_id = {shop_id} AND held.state = 'on_hold')"""


@compiles(_HeldOrders)
def _held_on_sqlite(element: _HeldOrders, compiler: Any, **options: Any) -> str:
    return HELD_OF_SHOP.format(index="INDEXED BY ix_order_held ", shop_id=compiler.process(element.clauses, **options))


@compiles(_HeldOrders, "postgresql")
def _held_on_postgresql(element: _HeldOrders, compiler: Any, **options: Any) -> str:
    return HELD_OF_SHOP.format(index="", shop_id=compiler.process(element.clauses, **options))


NOT_SHOWN = {
    "updated_at", "seen_at", "reread_due", "rows_due", "digest", "raw", "surcharge_rows", "email_digest", "problems", "accepted_codes",
    "reopened_status",
}  # fmt: skip
"""Columns of an order that no reader sees: ``updated_at`` stays as it is where only they change."""


SHOWN = tuple(column.name for column in Order.__table__.columns if column.name not in NOT_SHOWN)


@event.listens_for(Order, "before_update")
def _note_update(mapper: object, connection: object, order: Order) -> None:
    """``updated_at`` is when anything that readers see changed here, so that programs can ask for what is new."""
    changed = inspect(order).attrs
    if any(changed[name].history.has_changes() for name in SHOWN):
        order.updated_at = utcnow()


class Reserving:
    """What follows from a line's ``quantity``, ``shipped`` and ``allocations``."""

    __slots__ = ()

    @property
    def left(self: Any) -> int:
        """Pieces that are not shipped yet; below 0 where the shop lowered the quantity afterwards."""
        left: int = self.quantity - self.shipped
        return left

    @property
    def reserved(self: Any) -> int:
        """Whole pieces that what is reserved of its stock items makes."""
        return min((each.reserved // each.units for each in self.allocations), default=0)

    @property
    def in_hand(self: Any) -> int:
        """Pieces to ship now: of what is left, those that are reserved, or all where nothing is counted. A person may ship more."""
        left: int = self.left
        return min(left, self.reserved) if self.allocations else left

    @property
    def is_kit(self: Any) -> bool:
        """Whether one piece takes several units from stock."""
        units: int = sum(each.units for each in self.allocations)
        return units > 1


class OrderLine(Reserving, Model):
    """``price`` is per unit and ``total`` for the quantity, as recorded under the settings; ``tax`` is beside them.

    ``allocations`` say what it takes from stock: one for an ordinary line, several for a kit, none while no stock item was
    found for it. They are loaded together with the lines. ``shipped`` is how many pieces have been shipped. ``uncounted`` is
    true where the shop sells it without counting stock, so that it needs no stock item; ``could_mean`` names the stock
    items its SKU could mean where it could mean several.

    ``item_id``, ``shop_price`` and ``options_digest`` are what the shop sent, before any setting of ours: they find the line again
    when the shop edits the order (services/order_basics/line_matching.py). ``shop_price`` and ``options_digest`` are None in older rows."""

    __tablename__ = "order_line"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column()
    sku: Mapped[str] = mapped_column(String(255), default="")
    sku_key: Mapped[str] = mapped_column(String(255), default=key_of_sku)
    name: Mapped[str] = mapped_column(Text, default="")
    quantity: Mapped[int] = mapped_column(Units)
    price: Mapped[Decimal] = mapped_column(Money)
    total: Mapped[Decimal] = mapped_column(Money)
    tax: Mapped[Decimal] = mapped_column(Money, default=Decimal(0))
    options: Mapped[list[list[str]]] = mapped_column(JSON, default=list)
    product_id: Mapped[str] = mapped_column(String(64), default="")
    variant_id: Mapped[str] = mapped_column(String(64), default="")
    shipped: Mapped[int] = mapped_column(Units, default=0)
    uncounted: Mapped[bool] = mapped_column(default=False)
    could_mean: Mapped[str] = mapped_column(Text, default="")
    item_id: Mapped[str] = mapped_column(String(64), default="", server_default="")
    shop_price: Mapped[Decimal | None] = mapped_column(Money)
    options_digest: Mapped[bytes | None] = mapped_column(LargeBinary)

    # With the id, so that the newest line of a SKU is found at once.
    __table_args__ = (Index("ix_order_line_sku_key", "sku_key", "id"),)

    order: Mapped[Order] = relationship(back_populates="lines")
    allocations: Mapped[list[Allocation]] = relationship(
        order_by="Allocation.stock_item_id", back_populates="line", lazy="selectin", cascade="all, delete-orphan",
        passive_deletes=True,
    )  # fmt: skip


class Allocation(Model):
    """What an order line takes of one stock item: ``units`` for each piece of the line, ``reserved`` units now."""

    __tablename__ = "allocation"

    order_line_id: Mapped[int] = mapped_column(ForeignKey("order_line.id", ondelete="CASCADE"), primary_key=True)
    stock_item_id: Mapped[int] = mapped_column(ForeignKey("stock_item.id"), primary_key=True, index=True)
    units: Mapped[int] = mapped_column(Units, default=1)
    reserved: Mapped[int] = mapped_column(Units, default=0)

    line: Mapped[OrderLine] = relationship(back_populates="allocations")
    stock_item: Mapped[StockItem] = relationship()

    __table_args__ = (
        CheckConstraint("units > 0", name="units_positive"),
        CheckConstraint("reserved >= 0", name="reserved_not_negative"),
    )


class OrderChange(Model):
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


class HoldChange(Model):
    """An order was put on hold, released, or is held for another reason: the reasons before and after, empty where nothing holds it.
    What held an order when it was imported is the ``before`` of its first row, or what holds it now."""

    __tablename__ = "hold_change"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    actor: Mapped[str] = mapped_column(String(100), default="", server_default="")
    before: Mapped[str] = mapped_column(Text, default="")
    after: Mapped[str] = mapped_column(Text, default="")
