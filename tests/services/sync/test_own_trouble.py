"""Runs that fail for a reason of our own are tried again soon, whatever the interval of their flow."""

from __future__ import annotations

from datetime import timedelta

import pytest

from errors import AppError
from models.types import utcnow
from services.runs import lifecycle
from services.shops import flows
from services.sync import outcomes
from tests.support.rows import make_integration


@pytest.mark.parametrize("kind", ["listings", "reconciliation", "shipments"])
def test_it_does_not_wait_for_the_next_day(app, kind):
    integration_id = make_integration().id
    lease = lifecycle.claim(lifecycle.start_run(integration_id, kind, "test").id)
    outcomes.record_own_trouble(lease, "internal", AppError("Something went wrong inside Cartlink.", ""))
    assert flows.get_flow(integration_id, kind).due_at - utcnow() < timedelta(minutes=1)
