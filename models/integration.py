"""Shops, and the integrations that connect them."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import JSON, ColumnElement, ForeignKey, Index, LargeBinary, String, Text, and_, false, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, attribute_keyed_dict, mapped_column, relationship

from extensions import Model
from models.flow import Flow
from models.types import Moment, utcnow


class Shop(Model):
    """The site behind an end point. It outlives its integrations: orders, listings, links and cursors hang here.

    Orders placed since ``orders_from`` are stored; ``orders_read_to`` is the watermark: changes up to this change time of one of the shop's rows
    are stored; ``reading_*`` remember how
    far a download has come that has not reached its last page, so that the next run goes on from there (``reading_since`` None:
    a reading by change). ``listings_pass``
    numbers the readings of listings: what carries an older number after the last page was not in that reading, which began at
    ``listings_started_at``. ``loss_at`` is when a reading lacked a large share of the listings (``loss_count`` of ``loss_known``), None
    where no loss waits to be confirmed.
    ``stock_buffer`` is taken off what each of its listings offers, ``stock_cap`` is the most one offers (None: no limit).
    ``identity_key_encrypted`` is the key of the digests that tell its orders' customers apart (services/order_basics/identity.py).
    ``set_back_at`` is when it was found to use order ids again, as after a restore from a backup, until a person marks that as seen;
    ``set_back_due`` is true until all its orders are being read again after that. ``many_gone`` counts open orders that it no longer
    has, where they are so many that a person has to approve it; ``gone_approved_at`` is when one did.
    ``changes_seen`` is what the last reading by change left for the next one (opaque; None: read all). ``clock_ahead`` is by how many
    seconds the time in its answers was ahead of ours; ``unidentified`` is how many orders it could not print whose ids are not known.
    ``released_at`` is when its integration was removed and what its open orders reserved was released: they reserve nothing until it is
    connected again.
    ``learned`` is what a channel found out at ``learned_at`` and need not ask again for a day.
    ``zone`` is the time zone of its days for the daily reconciliation and reports (``Europe/Vienna``); UTC if it is empty.
    ``sales_checked_to`` is the day up to which its daily sales were compared with its orders (services/orders/daily_sales.py); None: not
    at all."""

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
    changes_seen: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    clock_ahead: Mapped[int | None] = mapped_column()
    unidentified: Mapped[int] = mapped_column(default=0, server_default="0")
    listings_read_at: Mapped[datetime | None] = mapped_column(Moment)
    listings_position: Mapped[str] = mapped_column(String(200), default="")
    listings_pass: Mapped[int] = mapped_column(default=0)
    listings_started_at: Mapped[datetime | None] = mapped_column(Moment)
    loss_at: Mapped[datetime | None] = mapped_column(Moment)
    loss_count: Mapped[int] = mapped_column(default=0, server_default="0")
    loss_known: Mapped[int] = mapped_column(default=0, server_default="0")
    stock_buffer: Mapped[int] = mapped_column(default=0)
    stock_cap: Mapped[int | None] = mapped_column()
    zone: Mapped[str] = mapped_column(String(60), default="", server_default="")
    sales_checked_to: Mapped[date | None] = mapped_column(index=True)
    identity_key_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    released_at: Mapped[datetime | None] = mapped_column(Moment)
    set_back_at: Mapped[datetime | None] = mapped_column(Moment)
    set_back_due: Mapped[bool] = mapped_column(default=False, server_default=false())
    many_gone: Mapped[int] = mapped_column(default=0, server_default="0")
    gone_approved_at: Mapped[datetime | None] = mapped_column(Moment)
    learned: Mapped[dict[str, str]] = mapped_column(JSON, default=dict, server_default="{}")
    learned_at: Mapped[datetime | None] = mapped_column(Moment)


class Integration(Model):
    """One connected shop: a name, a website end point, an API key, settings and a status.

    The key is Fernet ciphertext; ``key_last4`` is what may be shown. ``push_gate`` is ``first`` until the first stock push
    has been confirmed (automatically, if it changes nothing), then ``open``. ``waiting_run_id`` is the run whose preview waits
    for a person, ``approved_run_id`` the last one a person approved. ``flows`` are its kinds of sync, by kind.
    ``statuses`` are the shop's own as (kind, external id, code, name); ``evaluate_due_at`` is set while stored orders still
    have to be read again under changed settings. ``part_shipped_status`` and ``cancelled_status`` are sent to the shop if
    they are set; ``mail_warned_at`` is when a person was first warned that the shop mails its customers on a change of status.

    ``put_by_post`` says whether POST with ``_method=put`` works where the shop's host blocks PUT: "" (not tried), "proven" or "doubted".
    ``paused_at`` is set while Cartlink sends no requests after days of failures; ``enabled`` is a person's own switch and has nothing
    to do with it."""

    __tablename__ = "integration"

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(String(300))
    endpoint: Mapped[str] = mapped_column(String(500))
    admin_script: Mapped[str] = mapped_column(String(100), default="admin.php")
    generation: Mapped[str] = mapped_column(String(20), default="")
    key_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
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
    processed_status: Mapped[str] = mapped_column(String(20))
    orders_since: Mapped[datetime] = mapped_column(Moment)
    part_shipped_status: Mapped[str] = mapped_column(String(20), default="")
    cancelled_status: Mapped[str] = mapped_column(String(20), default="")
    work_statuses: Mapped[list[list[str]]] = mapped_column(JSON)
    take_shop_stock: Mapped[bool] = mapped_column(default=True)
    mail_warned_at: Mapped[datetime | None] = mapped_column(Moment)
    safety_limit_percent: Mapped[int] = mapped_column(default=20)
    safety_limit_least: Mapped[int] = mapped_column(default=10)

    push_gate: Mapped[str] = mapped_column(String(10), default="first")
    statuses: Mapped[list[list[str]]] = mapped_column(JSON, default=list)
    evaluate_due_at: Mapped[datetime | None] = mapped_column(Moment)
    waiting_run_id: Mapped[int | None] = mapped_column()
    approved_run_id: Mapped[int | None] = mapped_column()

    health: Mapped[str] = mapped_column(String(20), default="never_checked")
    health_message: Mapped[str] = mapped_column(Text, default="")
    health_since: Mapped[datetime | None] = mapped_column(Moment)
    writes_refused: Mapped[bool] = mapped_column(default=False)
    put_by_post: Mapped[str] = mapped_column(String(10), default="", server_default="")
    paused_at: Mapped[datetime | None] = mapped_column(Moment)
    pause_warned_at: Mapped[datetime | None] = mapped_column(Moment)

    shop: Mapped[Shop] = relationship()
    flows: Mapped[dict[str, Flow]] = relationship(
        collection_class=attribute_keyed_dict("kind"), cascade="all, delete-orphan", passive_deletes=True
    )

    __table_args__ = (
        Index("uq_integration_name_present", "name_key", unique=True, sqlite_where=text("removed_at IS NULL"),
              postgresql_where=text("removed_at IS NULL")),
        Index("uq_integration_shop_present", "shop_id", unique=True, sqlite_where=text("removed_at IS NULL"),
              postgresql_where=text("removed_at IS NULL")),
        Index("ix_integration_evaluate_due", "evaluate_due_at", sqlite_where=text("evaluate_due_at IS NOT NULL"),
              postgresql_where=text("evaluate_due_at IS NOT NULL")),
    )  # fmt: skip

    @hybrid_property
    def active(self) -> bool:
        """Whether the schedule may start runs: enabled, not removed, key not rejected, not paused."""
        return self.enabled and self.removed_at is None and self.health != "needs_reauthorising" and self.paused_at is None

    @active.inplace.expression
    @classmethod
    def _active(cls) -> ColumnElement[bool]:
        return and_(cls.enabled, cls.removed_at.is_(None), cls.health != "needs_reauthorising", cls.paused_at.is_(None))
