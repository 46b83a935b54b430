"""Many workers look at the same trouble at the same moment."""

from __future__ import annotations

import threading
from datetime import timedelta

from extensions import db, writing
from models import Delivery, Incident, IncidentEvent, Integration, Notification
from models.types import utcnow
from services.monitoring import incidents
from services.sync import outcomes
from tests.services.runs.test_runs import race
from tests.support.rows import make_integration
from tests.support.signed_in import user_called


def failing(integration_id: int) -> None:
    since = utcnow() - timedelta(hours=1)
    with writing() as session:
        connection = session.get_one(Integration, integration_id).flows["connection"]
        connection.failing_since, connection.failed_at, connection.failures = since, since, 9


def test_many_reviews_at_once_open_one_incident_and_tell_once(app):
    user_called("Ann")
    ids = [make_integration(f"Shop {number}").id for number in range(3)]
    for one in ids:
        failing(one)
    results = race(app, incidents.review, times=5)
    assert all(isinstance(result, int) for result in results), results
    assert (
        db.session.query(Incident).count()
        == db.session.query(IncidentEvent).count()
        == db.session.query(Notification).count()
        == 3
    )
    assert db.session.query(Delivery).count() == 0


def test_successes_and_reviews_at_once_end_with_the_incident_over(app):
    """A success that is being written while the incident is reminded of, changed or looked at is not lost, and locks nobody out."""
    one = make_integration().id
    failing(one)
    incidents.review()
    assert db.session.query(Incident).one().open
    acts = iter(
        [lambda: outcomes.record_success(one, "orders", answered=True), incidents.review, lambda: incidents.review(one)] * 3
    )
    taking = threading.Lock()

    def one_of_them() -> None:
        with taking:
            act = next(acts)
        act()

    assert [result for result in race(app, one_of_them, times=9) if result is not None] == []
    incidents.review()
    db.session.rollback()
    assert not db.session.query(Incident).one().open
    assert [event.kind for event in db.session.query(IncidentEvent).order_by(IncidentEvent.id)] == ["opened", "resolved"]
