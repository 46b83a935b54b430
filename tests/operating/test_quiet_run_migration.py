"""Runs from before folding that found nothing to do are folded after an upgrade."""

from __future__ import annotations

import flask_migrate
import pytest
from sqlalchemy import text

from extensions import db, writing
from models import SyncRun
from tests.support.rows import make_integration


@pytest.mark.both_databases
def test_old_runs_that_found_nothing_are_quiet_and_no_others(app):
    integration_id = make_integration().id
    same = {"integration_id": integration_id, "kind": "orders", "state": "finished", "outcome": "done", "actor": "schedule"}
    runs: dict[str, dict[str, object]] = {
        "nothing": {"counts": {"new": 0}, "steps": {"listings": {"counts": {"seen": 0}}}}, "empty": {}, "found": {"counts": {"new": 1}},
        "step": {"steps": {"listings": {"counts": {"seen": 3}}}}, "warned": {"warnings": ["Slow."]}, "person": {"actor": "user:ann"},
        "failed": {"outcome": "failed"}, "live": {"state": "queued", "outcome": ""},
    }  # fmt: skip
    with writing() as session:
        added = {name: SyncRun(**{**same, **values}) for name, values in runs.items()}
        session.add_all(added.values())
        session.flush()
        ids = {run.id: name for name, run in added.items()}
    for revision, act in (("0611", flask_migrate.downgrade), ("head", flask_migrate.upgrade)):
        db.session.remove()
        db.engine.dispose()
        act(revision=revision)
    quiet = db.session.scalars(text("SELECT id FROM sync_run WHERE quiet")).all()
    assert {ids[run_id] for run_id in quiet} == {"nothing", "empty"}
    db.session.rollback()
