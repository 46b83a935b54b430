"""Flows: the kinds of sync of one integration, each with its switch, its schedule and its health."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.types import Moment, utcnow


class FlowKind(StrEnum):
    """What a flow does, and what a sync run works on. ``connection`` is no sync: its row holds whether the shop answers at all, and
    when the next probe is due. ``undo`` has no row: a person starts such a run for one stock run."""

    ORDERS = "orders"
    STOCK = "stock"
    LISTINGS = "listings"
    SHIPMENTS = "shipments"
    RECONCILIATION = "reconciliation"
    CONNECTION = "connection"
    UNDO = "undo"


SYNCS = (FlowKind.ORDERS, FlowKind.STOCK, FlowKind.LISTINGS, FlowKind.SHIPMENTS, FlowKind.RECONCILIATION)
"""The flows that the schedule starts runs of."""
WRITING = (FlowKind.STOCK, FlowKind.SHIPMENTS, FlowKind.UNDO)
"""The kinds of run that change something in the shop."""
FAILING = text("failing_since IS NOT NULL")
POLLED = text("poll_due_at IS NOT NULL")


class Flow(Model):
    """One flow of one integration; each integration has one of each kind but ``undo``.

    The schedule starts a run once ``due_at`` has come, while ``enabled`` is true; None means that nothing is planned.
    ``interval_seconds`` is None for flows that are not due at intervals. ``failures`` counts failures in a row since ``failing_since``;
    ``error_code``, ``error`` and ``advice`` say what the last one was, and are empty while the flow works. ``retry_at`` is the next
    try that was planned after a failure. ``probed_at`` is when the shop was last probed because of this failure. ``run_id`` is the run that works on the flow; it
    counts while that run is running.

    Between its runs an orders flow is polled at ``poll_due_at`` (services/sync/polls.py); None while only runs may ask. ``newest`` is a
    digest of the orders that changed last as the last poll saw them, None if they may still have been changing. ``polls`` were made
    on the day ``polled_on`` (UTC), the last one at ``polled_at``; ``changed_at`` is when a poll last saw a change. ``slow`` flows took
    longer than a second. The first poll after ``page_due_at`` reads a full page, of which ``page_digest`` is the digest of the last
    one that said what is stored, None after a run."""

    __tablename__ = "flow"

    id: Mapped[int] = mapped_column(primary_key=True)
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    enabled: Mapped[bool] = mapped_column(default=True, server_default=true())
    interval_seconds: Mapped[int | None] = mapped_column()
    due_at: Mapped[datetime | None] = mapped_column(Moment)
    succeeded_at: Mapped[datetime | None] = mapped_column(Moment)
    failing_since: Mapped[datetime | None] = mapped_column(Moment)
    failed_at: Mapped[datetime | None] = mapped_column(Moment)
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    retry_at: Mapped[datetime | None] = mapped_column(Moment)
    probed_at: Mapped[datetime | None] = mapped_column(Moment)
    error_code: Mapped[str] = mapped_column(String(30), default="", server_default="")
    error: Mapped[str] = mapped_column(Text, default="", server_default="")
    advice: Mapped[str] = mapped_column(Text, default="", server_default="")
    poll_due_at: Mapped[datetime | None] = mapped_column(Moment)
    polled_at: Mapped[datetime | None] = mapped_column(Moment)
    polled_on: Mapped[date | None] = mapped_column()
    polls: Mapped[int] = mapped_column(default=0, server_default="0")
    newest: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    changed_at: Mapped[datetime | None] = mapped_column(Moment)
    slow: Mapped[bool] = mapped_column(default=False, server_default=false())
    page_due_at: Mapped[datetime | None] = mapped_column(Moment)
    page_digest: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    run_id: Mapped[int | None] = mapped_column()

    # Due flows of one kind are found in the order of their due times, so that a batch can be claimed by one statement.
    __table_args__ = (
        Index("uq_flow_kind", "integration_id", "kind", unique=True),
        Index("ix_flow_due", "kind", "due_at"),
        Index("ix_flow_poll_due", "slow", "poll_due_at", sqlite_where=POLLED, postgresql_where=POLLED),
        Index("ix_flow_failing", "failing_since", sqlite_where=FAILING, postgresql_where=FAILING),
    )

    @property
    def next_at(self) -> datetime | None:
        """When the shop is asked next, by a poll or by a run."""
        return min((at for at in (self.due_at, self.poll_due_at) if at is not None), default=None)

    @property
    def polls_today(self) -> int:
        return self.polls if self.polled_on == utcnow().date() else 0

    @property
    def failing(self) -> bool:
        """Whether the last run failed. Nothing is tried while a flow is switched off, so nothing is wrong then."""
        return self.enabled and self.failing_since is not None
