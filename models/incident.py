"""Incidents, and the rhythm in which a shop's orders come."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import Model
from models.integration import Integration
from models.types import Moment, utcnow

OPEN = text("resolved_at IS NULL")
LISTENED = text("due_at IS NOT NULL")


class Incident(Model):
    """One ongoing problem of one integration, or of one event endpoint or saved export (``integration_id`` is None then, and
    ``event_endpoint_id`` or ``order_export_id`` becomes None when it is removed). ``cause`` is a name of
    services.notify.incident_texts.CAUSES; of each an integration has one open incident at most.
    ``since`` is when the trouble began, ``opened_at`` when it was taken for one. ``facts`` are the
    plain values its words are made of: never a key, never anything of a customer.

    ``remind_at`` is None once a person has turned reminders off; ``reopened`` counts how often it came back."""

    __tablename__ = "incident"

    id: Mapped[int] = mapped_column(primary_key=True)
    integration_id: Mapped[int | None] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    event_endpoint_id: Mapped[int | None] = mapped_column(ForeignKey("event_endpoint.id", ondelete="SET NULL"))
    order_export_id: Mapped[int | None] = mapped_column(ForeignKey("order_export.id", ondelete="SET NULL"))
    cause: Mapped[str] = mapped_column(String(30))
    since: Mapped[datetime] = mapped_column(Moment)
    opened_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    resolved_at: Mapped[datetime | None] = mapped_column(Moment)
    resolution: Mapped[str] = mapped_column(String(20), default="")
    remind_at: Mapped[datetime | None] = mapped_column(Moment)
    reopened: Mapped[int] = mapped_column(default=0)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    integration: Mapped[Integration | None] = relationship()
    events: Mapped[list[IncidentEvent]] = relationship(
        order_by="IncidentEvent.id", back_populates="incident", passive_deletes=True
    )

    __table_args__ = (
        Index("uq_incident_open", "integration_id", "cause", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),
        Index("uq_incident_open_endpoint", "event_endpoint_id", "cause", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),
        Index("uq_incident_open_export", "order_export_id", "cause", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),
        Index("ix_incident_resolved", "resolved_at"),
        Index("ix_incident_opened", "opened_at", "id"),
        Index("ix_incident_integration", "integration_id", "cause"),
    )

    @property
    def open(self) -> bool:
        return self.resolved_at is None


class IncidentEvent(Model):
    """What became of an incident, and when: ``kind`` is opened, more (further things of the same kind), reminded, warned, paused, resumed, resolved, reopened or muted.
    ``actor`` is who did it, empty for Cartlink."""

    __tablename__ = "incident_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    kind: Mapped[str] = mapped_column(String(10))
    actor: Mapped[str] = mapped_column(String(100), default="")

    incident: Mapped[Incident] = relationship(back_populates="events")


class OrderRhythm(Model):
    """When a shop's orders usually come: ``hours`` counts those placed in each hour from ``first_hour`` on, learned once a day.
    ``due_at`` is when to look next whether the shop is silent, ``asked_at`` when it was last asked, ``verdict`` what came of
    it: ``quiet`` (the shop has no newer order either) or ``missing`` (it has, and they did not arrive here)."""

    __tablename__ = "order_rhythm"

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id", ondelete="CASCADE"), unique=True)
    learned_at: Mapped[datetime | None] = mapped_column(Moment)
    first_hour: Mapped[datetime | None] = mapped_column(Moment)
    hours: Mapped[list[int]] = mapped_column(JSON, default=list)
    due_at: Mapped[datetime | None] = mapped_column(Moment)
    asked_at: Mapped[datetime | None] = mapped_column(Moment)
    verdict: Mapped[str] = mapped_column(String(10), default="")

    __table_args__ = (Index("ix_order_rhythm_due", "due_at", sqlite_where=LISTENED, postgresql_where=LISTENED),)
