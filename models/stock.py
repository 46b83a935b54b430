"""Stock items, their ledger, the shop's listings, and the links between the two."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, String, Text, UniqueConstraint, literal_column, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import db
from models.types import Moment, utcnow

if TYPE_CHECKING:
    from models.integration import Shop


class StockItem(db.Model):
    """Our SKU. ``reserved`` is the sum of its order lines' ``reserved``; the ledger's sums equal ``on_hand`` and ``reserved``."""

    __tablename__ = "stock_item"

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str] = mapped_column(Text, default="")
    on_hand: Mapped[int] = mapped_column(default=0)
    reserved: Mapped[int] = mapped_column(default=0)
    buffer: Mapped[int] = mapped_column(default=0)
    updated_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)

    __table_args__ = (
        CheckConstraint("on_hand >= 0", name="on_hand_not_negative"),
        CheckConstraint("reserved >= 0", name="reserved_not_negative"),
        CheckConstraint("buffer >= 0", name="buffer_not_negative"),
    )

    @property
    def available(self) -> int:
        """What shops may offer: on hand − reserved − buffer, never below 0."""
        return max(0, self.on_hand - self.reserved - self.buffer)


class StockEntry(db.Model):
    """One line of a stock item's ledger: who or what changed it, when, by how much, and why.

    ``cause`` is one of start, set, import, sale, edited, cancelled, reopened, shipped, allotted."""

    __tablename__ = "stock_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    stock_item_id: Mapped[int] = mapped_column(ForeignKey("stock_item.id"), index=True)
    at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    actor: Mapped[str] = mapped_column(String(100))
    cause: Mapped[str] = mapped_column(String(20))
    on_hand_change: Mapped[int] = mapped_column(default=0)
    reserved_change: Mapped[int] = mapped_column(default=0)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("order.id"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("sync_run.id"))
    note: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        Index(
            "ix_stock_entry_run", "run_id", sqlite_where=text("run_id IS NOT NULL"), postgresql_where=text("run_id IS NOT NULL")
        ),
    )


class Listing(db.Model):
    """A product or variant in a shop. ``quantity`` is the shop's at ``seen_at``; ``pushed`` the last one we set
    and the shop confirmed; ``expected`` is ``quantity`` less what the shop has sold since, as far as its orders tell.
    ``stale`` is true while what the shop should offer may differ from what it does. ``drift`` is a quantity of the shop's that nobody here caused, None where there is none."""

    __tablename__ = "listing"

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"))
    external_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(10))
    product_id: Mapped[str] = mapped_column(String(64), default="")
    sku: Mapped[str] = mapped_column(String(255), default="", index=True)
    name: Mapped[str] = mapped_column(Text, default="")
    quantity: Mapped[int] = mapped_column(default=0)
    counted: Mapped[bool] = mapped_column(default=True)
    own_stock: Mapped[bool] = mapped_column(default=True)
    replaced: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=True)
    do_not_push: Mapped[bool] = mapped_column(default=False)
    seen_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    seen_pass: Mapped[int] = mapped_column(default=0)
    gone_at: Mapped[datetime | None] = mapped_column(Moment)
    pushed: Mapped[int | None] = mapped_column()
    pushed_at: Mapped[datetime | None] = mapped_column(Moment)
    push_error: Mapped[str] = mapped_column(Text, default="")
    expected: Mapped[int | None] = mapped_column()
    stale: Mapped[bool] = mapped_column(default=False)
    drift: Mapped[int | None] = mapped_column()
    drift_seen_at: Mapped[datetime | None] = mapped_column(Moment)

    links: Mapped[list[Link]] = relationship(back_populates="listing", cascade="all, delete-orphan")
    shop: Mapped[Shop] = relationship()

    __table_args__ = (
        Index("uq_listing_shop_external_id", "shop_id", "external_id", unique=True),
        Index("ix_listing_shop_sku", "shop_id", "sku"),
        Index("ix_listing_stale", "shop_id", sqlite_where=text("stale = 1"), postgresql_where=text("stale")),
        Index("ix_listing_failed", "shop_id", sqlite_where=text("push_error != ''"), postgresql_where=text("push_error != ''")),
    )

    @hybrid_property
    def push_failed(self) -> bool:
        return self.push_error != ""

    @push_failed.inplace.expression
    @classmethod
    def _push_failed(cls) -> ColumnElement[bool]:
        """Written out, not bound: SQLite takes a partial index only where it can read that the rows are in it."""
        return cls.push_error != literal_column("''")

    @property
    def pushable(self) -> bool:
        """Whether a quantity may be sent at all (design.md, rule 5)."""
        return self.counted and self.own_stock and not self.replaced and not self.do_not_push and self.gone_at is None


class Link(db.Model):
    """Which stock item a listing takes its quantity from, and how many units of it one piece needs.

    ``made_by`` is ``sku`` for a link made by equal SKUs and ``hand`` for one a person made."""

    __tablename__ = "link"

    id: Mapped[int] = mapped_column(primary_key=True)
    listing_id: Mapped[int] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"))
    stock_item_id: Mapped[int] = mapped_column(ForeignKey("stock_item.id"), index=True)
    units: Mapped[int] = mapped_column(default=1)
    made_by: Mapped[str] = mapped_column(String(10), default="sku")

    listing: Mapped[Listing] = relationship(back_populates="links")
    stock_item: Mapped[StockItem] = relationship()

    __table_args__ = (UniqueConstraint("listing_id", "stock_item_id"), CheckConstraint("units > 0", name="units_positive"))
