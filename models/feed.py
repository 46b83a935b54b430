"""Feeds: files of quantities that are fetched from suppliers on a schedule, the offers they bring, and the runs that fetch them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    false,
    literal_column,
    text,
    true,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import Model
from models.scheduled_place import PlaceColumns, TimetableColumns
from models.sku_key import sku_key
from models.supplier import Supplier
from models.types import Moment, Units, utcnow

LIVE_STATES = ("queued", "running", "waiting", "approved")
"""The states of a run in which no other run of its feed can begin."""
LIVE = text("state IN ('queued', 'running', 'waiting', 'approved')")
PRESENT = text("removed_at IS NULL")
FAILING = text("failing_since IS NOT NULL")


def key_of_code(context: Any) -> str:
    """The key of an offer's code: that of a SKU, so that codes and SKUs are compared in one way."""
    return sku_key(context.get_current_parameters().get("code") or "")


class Feed(PlaceColumns, TimetableColumns, Model):
    """One file of one supplier: where it is, how it is read, when, and what was seen of it last.

    Its place and when it is fetched are in models/scheduled_place.py. ``address`` is the URL of the file, or ``host:port`` whose ``path`` is a
    file or a pattern such as ``/out/stock_*.csv``; it holds no secret. ``seen_host_key`` is a host key that the server has shown and nobody
    has confirmed.

    ``sheet`` is that of a workbook. ``headings`` and ``sample``, the cells of its first rows, are those of the file that was read last. ``columns``
    is as in models.StockFile: None until it is known, empty for our own headings, else ``columns`` and ``options``.

    A ``delta`` feed names only what has changed. With ``excludes_open_orders`` its quantities already leave out what our open orders will
    take. ``missing`` says what becomes of codes that a full feed no longer names: ``keep``, ``zero`` or ``zero_after`` (``missing_after``
    runs in a row). Of several feeds the one with the lowest ``priority`` is first.

    Its offers are stale when the newest of them is older than ``stale_after_seconds``; then ``when_stale`` is done: ``keep`` (they count),
    ``hold`` (they do not count until the feed brings something new) or ``zero`` (they become 0). ``stale_since`` is when that was done.

    A run whose file would take more than ``zero_percent`` of the offers above 0 to 0, has fewer than ``rows_percent`` of the rows of last
    time, or has more than ``unreadable_percent`` unreadable rows waits for a person; so does every run while ``approved_at`` is None.

    ``read_at`` is the time of the file whose offers are stored: an offer with ``missed`` = 0 of a full feed was seen then. The names
    ``etag`` to ``rows`` are what was seen of that file. ``failures`` counts failures in a row since ``failing_since``; ``error_code``, ``error``
    and ``advice`` say what the last one was; ``retry_at`` is the next try after it."""

    __tablename__ = "feed"

    id: Mapped[int] = mapped_column(primary_key=True)
    supplier_id: Mapped[int] = mapped_column(ForeignKey("supplier.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    enabled: Mapped[bool] = mapped_column(default=True, server_default=true())
    address: Mapped[str] = mapped_column(String(500))
    seen_host_key: Mapped[str] = mapped_column(Text, default="", server_default="")

    sheet: Mapped[str] = mapped_column(String(100), default="", server_default="")
    headings: Mapped[list[str]] = mapped_column(JSON, default=list)
    sample: Mapped[list[list[str]]] = mapped_column(JSON, default=list, server_default="[]")
    columns: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    delta: Mapped[bool] = mapped_column(default=False, server_default=false())
    excludes_open_orders: Mapped[bool] = mapped_column(default=False, server_default=false())
    missing: Mapped[str] = mapped_column(String(10), default="keep", server_default="keep")
    missing_after: Mapped[int] = mapped_column(default=3, server_default="3")
    priority: Mapped[int] = mapped_column(default=1, server_default="1")

    stale_after_seconds: Mapped[int] = mapped_column(default=172_800, server_default="172800")
    when_stale: Mapped[str] = mapped_column(String(10), default="keep", server_default="keep")
    stale_since: Mapped[datetime | None] = mapped_column(Moment)

    zero_percent: Mapped[int] = mapped_column(default=20, server_default="20")
    rows_percent: Mapped[int] = mapped_column(default=80, server_default="80")
    unreadable_percent: Mapped[int] = mapped_column(default=2, server_default="2")
    approved_at: Mapped[datetime | None] = mapped_column(Moment)

    etag: Mapped[str] = mapped_column(String(300), default="", server_default="")
    last_modified: Mapped[str] = mapped_column(String(100), default="", server_default="")
    file_name: Mapped[str] = mapped_column(String(300), default="", server_default="")
    file_size: Mapped[int | None] = mapped_column(Units)
    file_modified_at: Mapped[datetime | None] = mapped_column(Moment)
    digest: Mapped[str] = mapped_column(String(64), default="", server_default="")
    rows: Mapped[int | None] = mapped_column()
    read_at: Mapped[datetime | None] = mapped_column(Moment)
    succeeded_at: Mapped[datetime | None] = mapped_column(Moment)

    failing_since: Mapped[datetime | None] = mapped_column(Moment)
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    retry_at: Mapped[datetime | None] = mapped_column(Moment)
    error_code: Mapped[str] = mapped_column(String(30), default="", server_default="")
    error: Mapped[str] = mapped_column(Text, default="", server_default="")
    advice: Mapped[str] = mapped_column(Text, default="", server_default="")

    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    changed_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    changed_by: Mapped[str] = mapped_column(String(100), default="", server_default="")
    removed_at: Mapped[datetime | None] = mapped_column(Moment)

    supplier: Mapped[Supplier] = relationship()

    __table_args__ = (
        Index("ix_feed_due", "due_at", sqlite_where=PRESENT, postgresql_where=PRESENT),
        Index("ix_feed_failing", "failing_since", sqlite_where=FAILING, postgresql_where=FAILING),
    )


class FeedRun(Model):
    """One fetch of one feed, and what its file changes. ``state`` is queued, running, waiting (a safety limit was hit; nothing has changed
    until a person approves or drops it), approved (a worker applies it), done, unchanged (the file brought nothing new), failed, dropped
    or undone.

    ``trigger`` is ``schedule``, ``person`` or ``retry``; ``actor`` is who started it. ``seen_at`` is the time of the file: its own if
    the server says it and it can be right, else when the fetch began. ``rows`` to ``missing`` count rows of the file, offers that change, those
    of them that go to 0, codes without a stock item, rows that cannot be read, and codes that the file no longer names. ``items``
    counts the fed stock items whose on hand changed.
    ``make_fed`` says that a person makes all linked own items fed with it. ``problems`` are the safety limits that were hit, each ``code`` and ``sentence``.
    ``before`` is what the feed knew of its file before this run was applied, for its undo. Claimed by lease like a sync run; ``lost_workers`` in
    a row have died in the middle of it."""

    __tablename__ = "feed_run"

    id: Mapped[int] = mapped_column(primary_key=True)
    feed_id: Mapped[int] = mapped_column(ForeignKey("feed.id"))
    state: Mapped[str] = mapped_column(String(10), default="queued")
    trigger: Mapped[str] = mapped_column(String(10), default="schedule", server_default="schedule")
    actor: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    started_at: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    decided_at: Mapped[datetime | None] = mapped_column(Moment)
    decided_by: Mapped[str] = mapped_column(String(100), default="", server_default="")

    file_name: Mapped[str] = mapped_column(String(300), default="", server_default="")
    file_size: Mapped[int | None] = mapped_column(Units)
    file_modified_at: Mapped[datetime | None] = mapped_column(Moment)
    etag: Mapped[str] = mapped_column(String(300), default="", server_default="")
    last_modified: Mapped[str] = mapped_column(String(100), default="", server_default="")
    digest: Mapped[str] = mapped_column(String(64), default="", server_default="")
    seen_at: Mapped[datetime | None] = mapped_column(Moment)

    rows: Mapped[int] = mapped_column(default=0, server_default="0")
    changed: Mapped[int] = mapped_column(default=0, server_default="0")
    zeroed: Mapped[int] = mapped_column(default=0, server_default="0")
    unknown: Mapped[int] = mapped_column(default=0, server_default="0")
    unreadable: Mapped[int] = mapped_column(default=0, server_default="0")
    missing: Mapped[int] = mapped_column(default=0, server_default="0")
    items: Mapped[int] = mapped_column(default=0, server_default="0")
    make_fed: Mapped[bool] = mapped_column(default=False, server_default=false())
    problems: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    error_code: Mapped[str] = mapped_column(String(30), default="", server_default="")
    error: Mapped[str] = mapped_column(Text, default="", server_default="")
    advice: Mapped[str] = mapped_column(Text, default="", server_default="")
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    token: Mapped[str] = mapped_column(String(32), default="", server_default="")
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    lost_workers: Mapped[int] = mapped_column(default=0, server_default="0")

    feed: Mapped[Feed] = relationship()

    __table_args__ = (
        Index("ix_feed_run_feed", "feed_id", "id"),
        Index("uq_feed_run_live", "feed_id", unique=True, sqlite_where=LIVE, postgresql_where=LIVE),
        Index("ix_feed_run_finished", "finished_at"),
    )

    @hybrid_property
    def live(self) -> bool:
        return self.state in LIVE_STATES

    @live.inplace.expression
    @classmethod
    def _live(cls) -> ColumnElement[bool]:
        """Written out, not bound: SQLite takes a partial index only where it can read that the rows are in it."""
        return cls.state.in_([literal_column(f"'{state}'") for state in LIVE_STATES])


class FeedRunRow(Model):
    """A row of a run's file that differs from the stored offers, has a code without a stock item, or cannot be read; and an offer whose
    code the file no longer names. Rows that say what is stored are not kept.

    ``kind`` is ``changed`` (another quantity), ``new`` (a code that was not offered before), ``back`` (a code that was missing, with the
    same quantity), ``same`` (a row of a delta feed that says what is stored), ``missing`` or ``unreadable``, which has a ``problem`` and no
    ``quantity``. ``before`` is the quantity that was
    offered before, None for a new code; ``before_missed`` and ``before_seen_at`` are the offer's ``missed`` and ``seen_at`` before, for the
    undo. ``line`` is that of the file, 0 for a missing code."""

    __tablename__ = "feed_run_row"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("feed_run.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(10))
    line: Mapped[int] = mapped_column(default=0)
    code: Mapped[str] = mapped_column(String(255), default="")
    code_key: Mapped[str] = mapped_column(String(255), default=key_of_code)
    offer_id: Mapped[int | None] = mapped_column()
    stock_item_id: Mapped[int | None] = mapped_column(ForeignKey("stock_item.id"))
    quantity: Mapped[int | None] = mapped_column(Units)
    before: Mapped[int | None] = mapped_column(Units)
    before_missed: Mapped[int] = mapped_column(default=0, server_default="0")
    before_seen_at: Mapped[datetime | None] = mapped_column(Moment)
    problem: Mapped[str] = mapped_column(Text, default="", server_default="")

    __table_args__ = (
        Index("ix_feed_run_row_run_kind", "run_id", "kind", "id"),
        Index("ix_feed_run_row_run_code_key", "run_id", "code_key"),
        Index("ix_feed_run_row_stock_item", "stock_item_id"),
    )


class Offer(Model):
    """How many pieces a supplier has of one of its codes, as its feed said last: an offer, and not stock.

    ``stock_item_id`` is what it is an offer of, None for a code that nobody has linked; ``ignored`` codes are no longer asked about. One
    piece of the supplier's is ``units`` units of the stock item. ``seen_at`` is when a file named it last; for an unchanged offer of a full feed
    that is ``feed.read_at`` while ``missed`` = 0. ``changed_at`` is when its quantity changed last. ``missed`` counts the files in a row of a full
    feed that did not name it. ``linked_by`` is ``sku`` for a link made by equal SKUs and ``hand`` for one a person made."""

    __tablename__ = "offer"

    id: Mapped[int] = mapped_column(primary_key=True)
    feed_id: Mapped[int] = mapped_column(ForeignKey("feed.id"))
    code: Mapped[str] = mapped_column(String(255))
    code_key: Mapped[str] = mapped_column(String(255), default=key_of_code)
    stock_item_id: Mapped[int | None] = mapped_column(ForeignKey("stock_item.id"), index=True)
    linked_by: Mapped[str] = mapped_column(String(10), default="", server_default="")
    ignored: Mapped[bool] = mapped_column(default=False, server_default=false())
    units: Mapped[int] = mapped_column(Units, default=1, server_default="1")
    quantity: Mapped[int] = mapped_column(Units)
    seen_at: Mapped[datetime] = mapped_column(Moment)
    changed_at: Mapped[datetime] = mapped_column(Moment)
    missed: Mapped[int] = mapped_column(default=0, server_default="0")

    feed: Mapped[Feed] = relationship()

    __table_args__ = (
        UniqueConstraint("feed_id", "code_key"),
        Index("ix_offer_feed", "feed_id", "id"),
        Index(
            "ix_offer_unknown",
            "feed_id",
            "id",
            sqlite_where=text("stock_item_id IS NULL"),
            postgresql_where=text("stock_item_id IS NULL"),
        ),
        Index("ix_offer_missed", "feed_id", "id", sqlite_where=text("missed > 0"), postgresql_where=text("missed > 0")),
    )
