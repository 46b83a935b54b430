"""Shops that fail and work again, and what incidents that makes."""

from __future__ import annotations

from errors import ShopUnreachable
from extensions import db
from models import Incident, IncidentEvent, Integration
from services.integrations import problems
from services.monitoring import incident_list, incidents
from services.sync import outcomes
from tests.support.set_clock import SetClock

DEAD = ShopUnreachable("shop.example refuses connections on port 443.")


def fail(integration_id: int, kind: str = "orders", trouble=DEAD) -> None:
    encrypted = db.session.get_one(Integration, integration_id).key_encrypted
    db.session.rollback()
    outcomes.record_failure(integration_id, kind, trouble, encrypted)


def work(integration_id: int, kind: str = "orders") -> None:
    outcomes.record_success(integration_id, kind, answered=True)


def all_incidents(integration_id: int) -> list[tuple[str, bool]]:
    db.session.rollback()
    rows = db.session.query(Incident).filter_by(integration_id=integration_id).order_by(Incident.id)
    return [(row.cause, row.open) for row in rows]


def events(integration_id: int) -> list[str]:
    db.session.rollback()
    rows = db.session.query(IncidentEvent).join(Incident).filter(Incident.integration_id == integration_id)
    return [row.kind for row in rows.order_by(IncidentEvent.id)]


def read(integration_id: int) -> Integration:
    db.session.rollback()
    return db.session.get_one(Integration, integration_id)


def outage(integration_id: int, clock: SetClock) -> None:
    fail(integration_id)
    clock.go(minutes=46)
    incidents.review()


def said_on_the_page(one: int) -> list[tuple[str, str]]:
    """The problems of an integration: the title of each, and its act."""
    found = problems.problems_of(db.session.get_one(Integration, one), incident_list.of_integration(one), [], None)
    db.session.rollback()
    return [(each.title, each.act) for each in found]
