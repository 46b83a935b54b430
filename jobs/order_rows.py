"""The rows that are kept beside orders, as a job: the search index is filled, daily sales are compared with the orders each night, and
the first SKUs of long reports are summed each hour."""

from __future__ import annotations

import logging
import time

from jobs import enqueue, signals
from services.orders import daily_sales, search
from services.reports import rankings
from services.sync import execution

log = logging.getLogger(__name__)


def enqueue_due_order_rows() -> None:
    """Put it on the queue if it is due, at most once. Raises QueueAway."""
    if search.is_work_due() or daily_sales.is_check_due() or rankings.is_due():
        enqueue(
            "sync", "jobs.order_rows.run", once_as="order-rows", failure_ttl=3600, ttl=3600,
            away="The queue does not answer. The search index, daily sales and reports are brought up to date when it is back.",
        )  # fmt: skip


def run() -> None:
    """Work for one time slice. The next tick enqueues the rest, so that shops do not wait long for this worker."""
    until = time.monotonic() + execution.slice_seconds()

    def stopping() -> bool:
        return signals.stopping() or time.monotonic() > until

    search.merge(stopping)
    search.fill(stopping)
    if corrected := daily_sales.check(stopping):
        log.info("Daily sales: %d rows counted or corrected", corrected)
    if not stopping() and rankings.is_due():
        rankings.make(stopping)
