"""A page that ends each worker that begins it: the next try waits longer each time, and people are notified after five; other work goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from errors import RunStopped
from extensions import writing
from models import Flow, FlowKind, Incident, Shop, SyncRun, WriteBack
from models.types import utcnow
from services.monitoring import incident_list, incidents
from services.runs import lifecycle
from services.shipping import shipments
from services.shops import flows
from services.sync import steps
from tests.support.rows import make_integration, make_item, make_order

pytestmark = pytest.mark.one_database


def lose_worker(
    integration_id: int, kind: str = "orders", *, saved: int = 0, step: FlowKind | None = None, sending: bool = False
) -> float:
    """A worker dies over a run. Answers with the seconds until the next try of what it worked on."""
    run = lifecycle.start_run(integration_id, kind, "test")
    lease = lifecycle.claim(run.id)
    assert lease is not None
    assert flows.get_flow(integration_id, FlowKind(kind)) is not None
    with writing():
        assert flows.take(integration_id, step or FlowKind(kind), run.id)
    if sending:
        with writing() as session:
            session.execute(update(WriteBack).values(state="sending", run_id=run.id))
    lease.done = saved
    lease.extend()
    with writing() as session:
        session.get_one(SyncRun, run.id).lease_until = utcnow() - timedelta(seconds=1)
    assert lifecycle.release_dead_runs() == [run.id]
    return (due(integration_id, step or FlowKind(kind)) - utcnow()).total_seconds()


def due(integration_id: int, kind: FlowKind):
    with writing() as session:
        moment = session.query(Flow).filter_by(integration_id=integration_id, kind=kind).one().due_at
    assert moment is not None
    return moment


def newest_run() -> SyncRun:
    with writing() as session:
        return session.query(SyncRun).order_by(SyncRun.id.desc()).first()


def test_each_try_waits_longer_and_after_five_people_are_notified(app):
    integration_id = make_integration().id
    with writing() as session:
        session.query(Shop).one().reading_position = 1200
    waits = [lose_worker(integration_id) for _ in range(5)]
    assert waits[0] <= 0 < waits[1] < waits[2] < waits[3] < waits[4]
    assert waits[1] <= 15 and 3500 < waits[4] <= 3600
    run = newest_run()
    assert (run.outcome, run.error_code) == ("lost", "workers_lost")
    assert (
        run.error == "5 workers in a row ended in the middle of the page of orders that follows the first 1,200 of this reading."
    )
    incidents.review()
    with writing() as session:
        (incident,) = session.query(Incident).all()
    assert (incident.cause, incident.facts["message"], incident.facts["failures"]) == ("orders_failing", run.error, 5)
    # Other work of the shop is due as before, and a person may try sooner.
    assert due(integration_id, FlowKind.LISTINGS) <= utcnow()
    assert lifecycle.start_run(integration_id, "orders", "user:ann").state == "queued"


def test_the_order_is_named_about_which_a_shop_was_being_updated(app):
    shop = make_integration()
    order = make_order(shop, "1001", [(make_item("CUP", 10), 1)])
    shipments.ship(order.id, "test")
    for _ in range(5):
        lose_worker(shop.id, "shipments", sending=True)
    assert newest_run().error == "5 workers in a row ended in the middle of the update of the shop about order 1001."
    incidents.review()
    with writing() as session:
        incident_id = session.query(Incident.id).scalar()
    row = incident_list.get_incident(incident_id).row
    assert (row.order_id, row.order) == (order.id, "1001")


def test_a_worker_that_got_further_begins_a_new_count(app):
    """Restarts of a server end workers too: where each one saves pages, nothing is wrong with a page."""
    integration_id = make_integration().id
    for _ in range(7):
        assert lose_worker(integration_id, saved=50) <= 0


def test_a_stock_update_that_dies_over_the_orders_leaves_them_alone_too(app):
    integration_id = make_integration().id
    for _ in range(4):
        wait = lose_worker(integration_id, "stock", step=FlowKind.ORDERS)
    assert 0 < wait <= 60
    assert newest_run().kind == "stock" and due(integration_id, FlowKind.STOCK) <= utcnow()
    # The next one does not begin with the orders before their next try is due.
    lease = lifecycle.claim(lifecycle.start_run(integration_id, "stock", "schedule").id)
    assert lease is not None
    with pytest.raises(RunStopped, match="left alone until the next one"):
        steps.respect_retry(lease, FlowKind.ORDERS)
