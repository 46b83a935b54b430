"""Shops, and the integrations that connect them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import db
from models.types import Moment, utcnow

DEFAULT_WORK_STATUSES = [["P", "*"], ["A", "*"]]
"""Payment × shipping status codes whose orders become work; ``*`` is any."""


class Shop(db.Model):
    """The site behind an end point. It outlives its integrations: orders, listings, links and cursors hang here.

    Orders placed since ``orders_from`` are stored; ``orders_read_to`` is the time (shop's clock) up to which
    their changes are; ``reading_*`` remember how
    far a download has come that has not reached its last page, so that the next run goes on from there (``reading_since`` None:
    a reading by change). ``listings_pass``
    numbers the readings of listings: what carries an older number after the last page is gone from the shop.
    ``stock_buffer`` is taken off what each of its listings offers, ``stock_cap`` is the most one offers (None: no limit).
    ``zone`` is the time zone whose days its receipts count (``Europe/Vienna``); UTC where it is empty."""

    __tablename__ = "shop"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    address: Mapped[str] = mapped_column(String(500), index=True)
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    orders_from: Mapped[datetime | None] = mapped_column(Moment)
    orders_read_to: Mapped[datetime | None] = mapped_column(Moment)
    reading_since: Mapped[datetime | None] = mapped_column(Moment)
    reading_position: Mapped[int] = mapped_column(default=0)
    reading_started_at: Mapped[datetime | None] = mapped_column(Moment)
    listings_read_at: Mapped[datetime | None] = mapped_column(Moment)
    listings_position: Mapped[str] = mapped_column(String(200), default="")
    listings_pass: Mapped[int] = mapped_column(default=0)
    stock_buffer: Mapped[int] = mapped_column(default=0)
    stock_cap: Mapped[int | None] = mapped_column()
    zone: Mapped[str] = mapped_column(String(60), default="", server_default="")


class Integration(db.Model):
    """One connected shop: a name, a website end point, an API key, settings and a status.

    The key is Fernet ciphertext; ``key_last4`` is what may be shown. ``push_gate`` is ``first`` until the first stock push
    has been confirmed (by itself, where it changes nothing), then ``open``. ``waiting_run_id`` is the run whose preview waits
    for a person, ``approved_run_id`` the last one a person said yes to. ``*_due_at`` is when the schedule starts a run next.
    ``statuses`` are the shop's own as (kind, external id, code, name); ``evaluate_due_at`` is set while stored orders still
    have to be read again under changed settings. ``part_shipped_status`` and ``cancelled_status`` are told to the shop where
    they are set; ``mail_told_at`` is when a person was first told that the shop mails its customers on a change of status.

    ``failing`` names the parts of models.HealthPart that fail, with blanks. ``paused_at`` is set while Cartlink has given up
    asking by itself after days of failures; ``enabled`` is a person's own switch and has nothing to do with it.
    ``probe_due_at`` is when the shop is asked next whether it answers at all."""

    __tablename__ = "integration"

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(String(300))
    endpoint: Mapped[str] = mapped_column(String(500))
    admin_script: Mapped[str] = mapped_column(String(100), default="admin.php")
    generation: Mapped[str] = mapped_column(String(20), default="")
    key_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    key_last4: Mapped[str] = mapped_column(String(4), default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    removed_at: Mapped[datetime | None] = mapped_column(Moment)

    use_tax: Mapped[bool] = mapped_column(default=False)
    use_shipping_tax: Mapped[bool] = mapped_column(default=False)
    surcharge_name: Mapped[str] = mapped_column(String(200), default="")
    with_variants: Mapped[bool] = mapped_column(default=True)
    with_options: Mapped[bool] = mapped_column(default=True)
    with_discounts: Mapped[bool] = mapped_column(default=True)
    with_tax_lines: Mapped[bool] = mapped_column(default=False)
    with_notes: Mapped[bool] = mapped_column(default=True)
    with_back_orders: Mapped[bool] = mapped_column(default=True)
    processed_status: Mapped[str] = mapped_column(String(20), default="S")
    orders_since: Mapped[datetime] = mapped_column(Moment)
    part_shipped_status: Mapped[str] = mapped_column(String(20), default="")
    cancelled_status: Mapped[str] = mapped_column(String(20), default="")
    work_statuses: Mapped[list[list[str]]] = mapped_column(JSON, default=lambda: [list(pair) for pair in DEFAULT_WORK_STATUSES])
    take_shop_stock: Mapped[bool] = mapped_column(default=True)
    orders_on: Mapped[bool] = mapped_column(default=True)
    stock_on: Mapped[bool] = mapped_column(default=True)
    shipments_on: Mapped[bool] = mapped_column(default=True)
    mail_told_at: Mapped[datetime | None] = mapped_column(Moment)
    brake_percent: Mapped[int] = mapped_column(default=20)
    brake_least: Mapped[int] = mapped_column(default=10)
    orders_every: Mapped[int] = mapped_column(default=300)
    stock_every: Mapped[int] = mapped_column(default=300)
    listings_every: Mapped[int] = mapped_column(default=86400)

    push_gate: Mapped[str] = mapped_column(String(10), default="first")
    statuses: Mapped[list[list[str]]] = mapped_column(JSON, default=list)
    evaluate_due_at: Mapped[datetime | None] = mapped_column(Moment)
    waiting_run_id: Mapped[int | None] = mapped_column()
    approved_run_id: Mapped[int | None] = mapped_column()

    orders_due_at: Mapped[datetime | None] = mapped_column(Moment)
    stock_due_at: Mapped[datetime | None] = mapped_column(Moment)
    listings_due_at: Mapped[datetime | None] = mapped_column(Moment)
    orders_done_at: Mapped[datetime | None] = mapped_column(Moment)
    stock_done_at: Mapped[datetime | None] = mapped_column(Moment)
    listings_done_at: Mapped[datetime | None] = mapped_column(Moment)
    shipments_due_at: Mapped[datetime | None] = mapped_column(Moment)
    shipments_done_at: Mapped[datetime | None] = mapped_column(Moment)
    receipts_due_at: Mapped[datetime | None] = mapped_column(Moment)
    receipts_done_at: Mapped[datetime | None] = mapped_column(Moment)
    undo_done_at: Mapped[datetime | None] = mapped_column(Moment)

    health: Mapped[str] = mapped_column(String(20), default="never_checked")
    health_message: Mapped[str] = mapped_column(Text, default="")
    health_since: Mapped[datetime | None] = mapped_column(Moment)
    failures: Mapped[int] = mapped_column(default=0)
    writes_refused: Mapped[bool] = mapped_column(default=False)
    failing: Mapped[str] = mapped_column(String(80), default="", server_default="")
    paused_at: Mapped[datetime | None] = mapped_column(Moment)
    pause_warned_at: Mapped[datetime | None] = mapped_column(Moment)
    probe_due_at: Mapped[datetime | None] = mapped_column(Moment)

    shop: Mapped[Shop] = relationship()

    __table_args__ = (
        Index("uq_integration_name_present", "name_key", unique=True, sqlite_where=text("removed_at IS NULL"),
              postgresql_where=text("removed_at IS NULL")),
        Index("uq_integration_shop_present", "shop_id", unique=True, sqlite_where=text("removed_at IS NULL"),
              postgresql_where=text("removed_at IS NULL")),
        Index("ix_integration_orders_due", "orders_due_at"),
        Index("ix_integration_stock_due", "stock_due_at"),
        Index("ix_integration_listings_due", "listings_due_at"),
        Index("ix_integration_shipments_due", "shipments_due_at"),
        Index("ix_integration_receipts_due", "receipts_due_at"),
        Index("ix_integration_probe_due", "probe_due_at", sqlite_where=text("probe_due_at IS NOT NULL"),
              postgresql_where=text("probe_due_at IS NOT NULL")),
        Index("ix_integration_evaluate_due", "evaluate_due_at", sqlite_where=text("evaluate_due_at IS NOT NULL"),
              postgresql_where=text("evaluate_due_at IS NOT NULL")),
    )  # fmt: skip

    @property
    def active(self) -> bool:
        """Whether jobs may run by themselves: enabled, not removed, key not rejected, not paused."""
        return self.enabled and self.removed_at is None and self.health != "needs_reauthorising" and self.paused_at is None
