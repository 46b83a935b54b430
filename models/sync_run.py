"""Sync runs: one run of a job for one integration."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, ForeignKey, Index, String, Text, false, literal_column, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import Model
from models.integration import Integration
from models.types import Moment, Units, utcnow

LIVE = text("state IN ('queued', 'running')")
TROUBLES = ("failed", "partial", "waiting", "lost", "stopped")
"""Outcomes of runs that few runs have."""
FAILED = text("outcome = 'failed'")
TROUBLED = text("outcome IN ('failed', 'partial', 'waiting', 'lost', 'stopped')")


class SyncRun(Model):
    """``kind`` is one of models.flow.FlowKind; an undo is of the stock run ``about_run_id``.
    ``state`` is queued, running or finished; ``outcome`` is set at the end:

    done (reached its last page), partial (some rows failed or the last page was not reached), waiting (a preview waits for
    a person), failed (``error`` says why), stopped (switched off, removed or stopped by a person), lost (its worker died).

    A worker holds the lease that knows ``lease_token``, until ``lease_until``. ``enqueues`` counts how often the run was put on the
    queue. ``not_before`` keeps a paused run in the queue for a while. ``actor`` is who or what started it (``schedule``, ``cli:ann``,
    ``user:ann``, ``run:7``). ``steps`` is what the run did for other flows before its own, by kind of flow: ``done``, ``counts`` and, once it has ended or paused, ``outcome``."""

    __tablename__ = "sync_run"

    id: Mapped[int] = mapped_column(primary_key=True)
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id"))
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(10), default="queued")
    outcome: Mapped[str] = mapped_column(String(10), default="")
    actor: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    not_before: Mapped[datetime | None] = mapped_column(Moment)
    started_at: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    enqueued_at: Mapped[datetime | None] = mapped_column(Moment)
    enqueues: Mapped[int] = mapped_column(default=0)
    lease_token: Mapped[str] = mapped_column(String(32), default="")
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    stop_requested: Mapped[bool] = mapped_column(default=False)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int | None] = mapped_column()
    counts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    steps: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    requests: Mapped[int] = mapped_column(default=0)
    error_code: Mapped[str] = mapped_column(String(30), default="")
    error: Mapped[str] = mapped_column(Text, default="")
    advice: Mapped[str] = mapped_column(Text, default="")
    warnings: Mapped[list[str]] = mapped_column(JSON, default=list)
    about_run_id: Mapped[int | None] = mapped_column()
    quiet: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether the schedule started it and it found nothing to do: lists fold such runs."""

    integration: Mapped[Integration] = relationship()

    @hybrid_property
    def live(self) -> bool:
        return self.state in ("queued", "running")

    @live.inplace.expression
    @classmethod
    def _live(cls) -> ColumnElement[bool]:
        """Written out, not bound: SQLite takes a partial index only where it can read that the rows are in it."""
        return cls.state.in_([literal_column("'queued'"), literal_column("'running'")])

    @hybrid_property
    def troubled(self) -> bool:
        return self.outcome in TROUBLES

    @troubled.inplace.expression
    @classmethod
    def _troubled(cls) -> ColumnElement[bool]:
        """Written out for the partial index, as ``live``."""
        return cls.outcome.in_([literal_column(f"'{outcome}'") for outcome in TROUBLES])

    __table_args__ = (
        Index("uq_sync_run_live", "integration_id", "kind", unique=True, sqlite_where=LIVE, postgresql_where=LIVE),
        Index("ix_sync_run_state_lease", "state", "lease_until"),
        Index("ix_sync_run_integration_created", "integration_id", "created_at"),
        Index("ix_sync_run_finished", "finished_at", "id"),
        Index("ix_sync_run_quiet", "integration_id", "id", sqlite_where=text("quiet = 1"), postgresql_where=text("quiet")),
        Index("ix_sync_run_failed", "integration_id", "finished_at", sqlite_where=FAILED, postgresql_where=FAILED),
        Index("ix_sync_run_troubled", "outcome", "id", sqlite_where=TROUBLED, postgresql_where=TROUBLED),
    )


class RunItem(Model):
    """What a run did, or would do, about one listing or one order row.

    ``result`` is sent, failed, skipped, preview or unreadable; ``now``, ``wanted`` and ``stored`` are quantities. ``as_of`` is when a quantity that was
    sent was worked out, and ``last_entry_id`` the last line of the stock ledger then: stock that was edited later is not in it. The order of the lines
    decides, where it is known: a clock can be set back."""

    __tablename__ = "run_item"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("sync_run.id", ondelete="CASCADE"), index=True)
    listing_id: Mapped[int | None] = mapped_column(ForeignKey("listing.id", ondelete="SET NULL"))
    external_id: Mapped[str] = mapped_column(String(64), default="")
    sku: Mapped[str] = mapped_column(String(255), default="")
    now: Mapped[int | None] = mapped_column(Units)
    wanted: Mapped[int | None] = mapped_column(Units)
    stored: Mapped[int | None] = mapped_column(Units)
    as_of: Mapped[datetime | None] = mapped_column(Moment)
    last_entry_id: Mapped[int | None] = mapped_column()
    result: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(Text, default="")
