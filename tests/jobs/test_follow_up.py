"""What a worker does once a run has ended."""

from __future__ import annotations

import pytest

import jobs
from services.runs import lifecycle
from tests.support.rows import make_integration

pytestmark = pytest.mark.one_database


def waiting() -> list[int]:
    return [job.kwargs["run_id"] for job in jobs.queue("sync").jobs]


def test_a_run_that_paused_for_another_continues_as_soon_as_that_has_ended(app):
    """A shop whose order runs take longer than the time between two of them would otherwise never have its stock pushed: by
    the next tick the next order run has begun."""
    integration = make_integration()
    orders = lifecycle.claim(lifecycle.start_run(integration.id, "orders", "test").id)
    stock = lifecycle.start_run(integration.id, "stock", "test").id
    lifecycle.pause(lifecycle.claim(stock), seconds=60)
    jobs.follow_up(lifecycle.find_run(orders.run_id))
    assert waiting() == []
    lifecycle.finish(orders, "done")
    jobs.follow_up(lifecycle.find_run(orders.run_id))
    assert waiting() == [stock]
    jobs.follow_up(lifecycle.find_run(orders.run_id))
    assert waiting() == [stock]
