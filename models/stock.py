"""Stock items, their ledger, the shop's listings, and the links between the two."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    false,
    literal_column,
    text,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import Model
from models.sku_key import key_of_sku, search_text_of
from models.types import Moment, Units, utcnow

if TYPE_CHECKING:
    from models.integration import Shop


NO_FAILURE: dict[str, Any] = {
    "push_state": "", "push_error": "", "push_tries": 0, "push_failed_since": None, "push_due_at": None, "push_sent": None,
}  # fmt: skip
"""What the columns of a listing say while no stock update of it has failed."""


AVAILABLE = "(CASE WHEN on_hand - reserved - buffer > 0 THEN on_hand - reserved - buffer ELSE 0 END)"


def _begins(table: str, column: str) -> Index:
    """By which PostgreSQL finds rows from the beginning of a text (services/common/beginnings.py)."""
    index = Index(f"ix_{table}_{column}_begins", column, postgresql_ops={column: "text_pattern_ops"})
    index.ddl_if(dialect="postgresql")
    return index


class StockItem(Model):
    """Our SKU. ``reserved`` is the sum over its allocations; the ledger's sums equal ``on_hand`` and ``reserved``.

    ``sku_key`` is the key of the SKU (models/sku_key.py). Items from before there were keys whose keys are the same have their
    exact spelling there instead, and the key they share in ``shared_key``, which is None for all others.

    ``searched`` is what a search looks through (models/sku_key.py).

    ``low_at`` is its low-stock threshold, None for the default; ``low_since`` is when it fell to it (services/stock/low_stock.py).

    The on hand of a ``fed`` item follows from suppliers' offers (services/feeds/), and nobody sets it by hand; that of all others is our own.
    ``fed_rule`` is ``sum`` (of all offers) or ``first`` (the first by the priority of their feeds)."""

    __tablename__ = "stock_item"

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(String(255), unique=True)
    sku_key: Mapped[str | None] = mapped_column(String(255), default=key_of_sku)
    shared_key: Mapped[str | None] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(Text, default="")
    searched: Mapped[str] = mapped_column(Text, default=search_text_of, server_default="")
    on_hand: Mapped[int] = mapped_column(Units, default=0)
    reserved: Mapped[int] = mapped_column(Units, default=0)
    buffer: Mapped[int] = mapped_column(Units, default=0)
    updated_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    low_at: Mapped[int | None] = mapped_column(Units)
    low_since: Mapped[datetime | None] = mapped_column(Moment)
    fed: Mapped[bool] = mapped_column(default=False, server_default=false())
    fed_rule: Mapped[str] = mapped_column(String(5), default="sum", server_default="sum")

    __table_args__ = (
        CheckConstraint("on_hand >= 0", name="on_hand_not_negative"),
        CheckConstraint("reserved >= 0", name="reserved_not_negative"),
        CheckConstraint("buffer >= 0", name="buffer_not_negative"),
        Index("uq_stock_item_sku_key", "sku_key", unique=True),
        Index("ix_stock_item_name", "name"),
        Index("ix_stock_item_searched", "id", "searched"),
        Index("ix_stock_item_updated", "updated_at"),
        Index("ix_stock_item_available", text(AVAILABLE), "sku", "id"),
        Index("ix_stock_item_shared_key", "shared_key"),
        *(_begins("stock_item", column) for column in ("sku_key", "name")),
        Index(
            "ix_stock_item_low",
            "low_since",
            sqlite_where=text("low_since IS NOT NULL"),
            postgresql_where=text("low_since IS NOT NULL"),
        ),
        Index("ix_stock_item_fed", "id", sqlite_where=text("fed = 1"), postgresql_where=text("fed")),
    )

    @property
    def available(self) -> int:
        """What shops may offer: on hand − reserved − buffer, never below 0."""
        return max(0, self.on_hand - self.reserved - self.buffer)


class StockEntry(Model):
    """One line of a stock item's ledger: who or what changed it, when, by how much, and why.

    ``cause`` is one of start, set, adjusted, import, feed, sale, edited, cancelled, reopened, shipped, undone, voided, allocated. Of the cause
    ``feed`` the run of the feed that set it off is ``feed_run_id``, if there was one."""

    __tablename__ = "stock_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    stock_item_id: Mapped[int] = mapped_column(ForeignKey("stock_item.id"))
    at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    actor: Mapped[str] = mapped_column(String(100))
    cause: Mapped[str] = mapped_column(String(20))
    on_hand_change: Mapped[int] = mapped_column(Units, default=0)
    reserved_change: Mapped[int] = mapped_column(Units, default=0)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("order.id"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("sync_run.id"))
    feed_run_id: Mapped[int | None] = mapped_column(ForeignKey("feed_run.id"))
    note: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        Index("ix_stock_entry_item", "stock_item_id", "id"), Index("ix_stock_entry_item_at", "stock_item_id", "at"),
        Index(
            "ix_stock_entry_run", "run_id", sqlite_where=text("run_id IS NOT NULL"), postgresql_where=text("run_id IS NOT NULL")
        ),
        Index("ix_stock_entry_feed_run", "feed_run_id", sqlite_where=text("feed_run_id IS NOT NULL"),
              postgresql_where=text("feed_run_id IS NOT NULL")),
    )  # fmt: skip


class Listing(Model):
    """A product or variant in a shop. ``quantity`` is the shop's at ``seen_at``; ``pushed`` the last one we set
    and the shop confirmed; ``expected`` is ``quantity`` less what the shop has sold since, as far as its orders show.
    ``stale`` is true while what the shop should offer may differ from what it does. ``drift`` is a quantity in the shop that nothing here caused, None where there is none.

    ``linked`` is whether it has links, for lists of those that have none; ``searched`` is what a search looks through (models/sku_key.py).

    ``rename_state`` is ``renamed`` where the shop gave the listing another SKU and it keeps its stock item, ``decide`` where a
    person has to say whether it still is the same goods, else empty. ``renamed_from`` is the SKU it had before.

    ``push_state`` is the result of the last stock update: "" (stored, or none was needed), ``waiting`` (not done yet), ``other_value``
    (the shop stored another quantity), ``missing`` (the shop did not list the product) or ``refused``. ``push_error`` says why,
    ``push_tries`` counts how often in a row, ``push_failed_since`` is when that began, and ``push_due_at`` is before when it is not tried
    again. Refused rows are not ``stale``; the others are. ``push_sent`` is a quantity that was sent and may have arrived without a
    clear answer. ``missed`` counts the readings in a row that did not list it."""

    __tablename__ = "listing"

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"))
    external_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(10))
    product_id: Mapped[str] = mapped_column(String(64), default="")
    sku: Mapped[str] = mapped_column(String(255), default="")
    sku_key: Mapped[str] = mapped_column(String(255), default=key_of_sku, index=True)
    name: Mapped[str] = mapped_column(Text, default="")
    searched: Mapped[str] = mapped_column(Text, default=search_text_of, server_default="")
    rename_state: Mapped[str] = mapped_column(String(10), default="")
    renamed_from: Mapped[str] = mapped_column(String(255), default="")
    quantity: Mapped[int] = mapped_column(Units, default=0)
    counted: Mapped[bool] = mapped_column(default=True)
    own_stock: Mapped[bool] = mapped_column(default=True)
    replaced: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=True)
    do_not_push: Mapped[bool] = mapped_column(default=False)
    linked: Mapped[bool] = mapped_column(default=False, server_default=false())
    seen_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    seen_pass: Mapped[int] = mapped_column(default=0)
    gone_at: Mapped[datetime | None] = mapped_column(Moment)
    pushed: Mapped[int | None] = mapped_column(Units)
    pushed_at: Mapped[datetime | None] = mapped_column(Moment)
    push_error: Mapped[str] = mapped_column(Text, default="")
    expected: Mapped[int | None] = mapped_column(Units)
    stale: Mapped[bool] = mapped_column(default=False)
    push_state: Mapped[str] = mapped_column(String(12), default="", server_default="")
    push_tries: Mapped[int] = mapped_column(default=0, server_default="0")
    push_failed_since: Mapped[datetime | None] = mapped_column(Moment)
    push_due_at: Mapped[datetime | None] = mapped_column(Moment)
    push_sent: Mapped[int | None] = mapped_column(Units)
    missed: Mapped[int] = mapped_column(default=0, server_default="0")
    drift: Mapped[int | None] = mapped_column(Units)
    drift_seen_at: Mapped[datetime | None] = mapped_column(Moment)

    links: Mapped[list[Link]] = relationship(back_populates="listing", cascade="all, delete-orphan")
    shop: Mapped[Shop] = relationship()

    __table_args__ = (
        Index("uq_listing_shop_external_id", "shop_id", "external_id", unique=True),
        Index("ix_listing_shop_sku_key", "shop_id", "sku_key"),
        Index("ix_listing_shop_sku", "shop_id", "sku", "id"),
        Index("ix_listing_sku", "sku"),
        Index("ix_listing_name", "name", "id"),
        # With the id first, so that new rows go to its end: it is read from end to end.
        Index("ix_listing_searched", "id", "searched"),
        Index("ix_listing_quantity", "quantity", "id"),
        Index("ix_listing_shop_product", "shop_id", "product_id"),
        Index(
            "ix_listing_renamed", "shop_id", sqlite_where=text("rename_state != ''"), postgresql_where=text("rename_state != ''")
        ),
        Index("ix_listing_unlinked", "shop_id", "sku", "id", sqlite_where=text("linked = 0"), postgresql_where=text("NOT linked")),
        Index("ix_listing_stale", "shop_id", sqlite_where=text("stale = 1"), postgresql_where=text("stale")),
        Index("ix_listing_push_state", "shop_id", "push_state", sqlite_where=text("push_state != ''"),
              postgresql_where=text("push_state != ''")),
        *(_begins("listing", column) for column in ("sku_key", "name")),
        Index("ix_listing_failed", "shop_id", sqlite_where=text("push_error != ''"), postgresql_where=text("push_error != ''")),
    )  # fmt: skip

    @hybrid_property
    def push_failed(self) -> bool:
        return self.push_error != ""

    @push_failed.inplace.expression
    @classmethod
    def _push_failed(cls) -> ColumnElement[bool]:
        """Written out, not bound: SQLite takes a partial index only where it can read that the rows are in it."""
        return cls.push_error != literal_column("''")

    @hybrid_property
    def was_renamed(self) -> bool:
        return self.rename_state != ""

    @was_renamed.inplace.expression
    @classmethod
    def _was_renamed(cls) -> ColumnElement[bool]:
        return cls.rename_state != literal_column("''")

    @hybrid_property
    def troubled(self) -> bool:
        """Whether the last stock update of it was not stored."""
        return self.push_state != ""

    @troubled.inplace.expression
    @classmethod
    def _troubled(cls) -> ColumnElement[bool]:
        """Written out for the partial index, as ``push_failed``."""
        return cls.push_state != literal_column("''")

    def clear_failure(self) -> None:
        """Clear the results of earlier stock updates."""
        for name, value in NO_FAILURE.items():
            setattr(self, name, value)

    @property
    def pushable(self) -> bool:
        """Whether a quantity may be sent at all."""
        return self.counted and self.own_stock and not self.replaced and not self.do_not_push and self.gone_at is None


class Link(Model):
    """Which stock item a listing takes its quantity from, and how many units of it one piece needs.

    ``made_by`` is ``sku`` for a link made by equal SKUs and ``hand`` for one a person made."""

    __tablename__ = "link"

    id: Mapped[int] = mapped_column(primary_key=True)
    listing_id: Mapped[int] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"))
    stock_item_id: Mapped[int] = mapped_column(ForeignKey("stock_item.id"), index=True)
    units: Mapped[int] = mapped_column(Units, default=1)
    made_by: Mapped[str] = mapped_column(String(10), default="sku")

    listing: Mapped[Listing] = relationship(back_populates="links")
    stock_item: Mapped[StockItem] = relationship()

    __table_args__ = (
        UniqueConstraint("listing_id", "stock_item_id"), CheckConstraint("units > 0", name="units_positive"),
        Index("ix_link_by_hand", "listing_id", "units", sqlite_where=text("made_by = 'hand'"), postgresql_where=text("made_by = 'hand'")),
    )  # fmt: skip

    @hybrid_property
    def by_hand(self) -> bool:
        return self.made_by == "hand"

    @by_hand.inplace.expression
    @classmethod
    def _by_hand(cls) -> ColumnElement[bool]:
        """Written out for the partial index, as ``Listing.push_failed``."""
        return cls.made_by == literal_column("'hand'")
