"""Tables and columns that were renamed keep their rows in both directions."""

from __future__ import annotations

import flask_migrate
import pytest
from sqlalchemy import inspect, text

from extensions import db, writing
from models import Incident, Integration, Notification, Preference, StockEntry
from tests.support.rows import make_integration, make_item
from tests.support.signed_in import user_called


@pytest.mark.both_databases
def test_notifications_preferences_and_safety_limits_keep_their_values(app):
    ann, one = user_called("Ann"), make_integration().id
    with writing() as session:
        incident = Incident(integration_id=one, cause="outage", since=session.get_one(Integration, one).created_at, facts={})
        session.add(incident)
        session.flush()
        session.add(Notification(user_id=ann, incident_id=incident.id, kind="opened"))
        session.add(Preference(user_id=ann, email="ann@shop.example"))
        session.get_one(Integration, one).safety_limit_percent = 33
    for revision, act, notices, preferences, limit in (
        ("0401", flask_migrate.downgrade, "notice", "notice_setting", "brake_percent"),
        ("head", flask_migrate.upgrade, "notification", "preference", "safety_limit_percent"),
    ):
        db.session.remove()
        db.engine.dispose()
        act(revision=revision)
        assert db.session.scalar(text(f"SELECT count(*) FROM {notices}")) == 1
        assert db.session.scalar(text(f"SELECT email FROM {preferences}")) == "ann@shop.example"
        assert db.session.scalar(text(f"SELECT {limit} FROM integration")) == 33
        assert f"uq_{notices}" in {index["name"] for index in inspect(db.engine).get_indexes(notices)}
        db.session.rollback()


@pytest.mark.both_databases
def test_the_stock_ledger_keeps_its_causes(app):
    item = make_item("CUP", 3).id
    with writing() as session:
        session.add_all(
            StockEntry(stock_item_id=item, actor="test", cause=cause, reserved_change=2) for cause in ("allocated", "sale")
        )
    for revision, act, cause in (("0432", flask_migrate.downgrade, "allotted"), ("head", flask_migrate.upgrade, "allocated")):
        db.session.remove()
        db.engine.dispose()
        act(revision=revision)
        found = db.session.execute(
            text("SELECT cause, sum(reserved_change) FROM stock_entry WHERE cause <> 'start' GROUP BY cause")
        )
        assert dict(found.all()) == {cause: 2, "sale": 2}
        db.session.rollback()
