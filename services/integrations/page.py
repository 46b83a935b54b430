"""What the page of one integration shows, and what is still open where one is to be removed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from sqlalchemy import func, select

from extensions import db
from models import FlowKind, Integration, Listing, Order, SyncRun
from models.order import OPEN_STATES
from models.sync_run import FAILED
from models.types import utcnow
from services.integrations import problems
from services.integrations.overview import IntegrationRow, get_row
from services.integrations.problems import Problem
from services.listings import losses
from services.monitoring import incident_list
from services.runs import activity
from services.runs.activity import RunRow
from services.shipping import by_hand, write_backs
from services.shops import health
from services.shops.finding import get_integration
from services.shops.health import Group
from services.stock import released

DAYS = 30
LAST_RUNS = 6


@dataclass(frozen=True, slots=True)
class Day:
    """One day in the reader's zone: orders placed, runs that failed."""

    day: date
    orders: int
    failures: int


@dataclass(frozen=True, slots=True)
class Overview:
    """``row`` is as in the list; ``runs`` are the newest; ``groups`` are connection, orders, stock and write-back. ``problems`` are the
    present ones, the most important first. What they say is said nowhere else: ``sentences`` names the groups whose own sentence adds to it,
    and ``errors`` has the errors of runs that do, by the run's id."""

    row: IntegrationRow
    integration: Integration
    runs: list[RunRow]
    groups: list[Group]
    problems: list[Problem]
    sentences: frozenset[str]
    errors: dict[int, str]

    @property
    def stopped_by(self) -> health.Stop:
        """What stops all of it, empty for nothing."""
        return health.stopped_by(self.integration, FlowKind.CONNECTION)

    @property
    def offers_reauthorising(self) -> bool:
        """Whether the first problem has the button ‘Reauthorise’."""
        return bool(self.problems) and self.problems[0].reauthorises


def overview(integration_id: int) -> Overview:
    """Raises NotFound."""
    row = get_row(integration_id)
    integration = get_integration(integration_id)
    runs, groups = activity.last_runs(integration_id, LAST_RUNS), health.groups(integration)
    found = problems.problems_of(
        integration, incident_list.of_integration(integration_id), groups, losses.pending(integration_id)
    )  # fmt: skip
    return Overview(
        row, integration, runs, groups, found, problems.unexplained(groups, found), problems.errors_of(runs, found)
    )  # fmt: skip


def last_days(integration: Integration, zone: tzinfo) -> list[Day]:
    """The last thirty days, oldest first. Two queries, whatever the number of orders."""
    today = utcnow().astimezone(zone).date()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    starts = [datetime.combine(day, time.min, zone) for day in (*days, today + timedelta(days=1))]
    orders = _by_day(Order.placed_at, starts, Order.shop_id == integration.shop_id)
    failures = _by_day(SyncRun.finished_at, starts, SyncRun.integration_id == integration.id, FAILED)
    return [Day(*each) for each in zip(days, orders, failures, strict=True)]


def _by_day(column: Any, starts: list[datetime], *where: Any) -> list[int]:
    """How many rows fall between each two neighbouring moments: each day is counted in an index. Days are cut in the reader's zone, which
    SQL does not know."""
    counts = [
        select(func.count()).where(column >= start, column < end, *where).scalar_subquery()
        for start, end in zip(starts, starts[1:], strict=False)
    ]
    return list(db.session.execute(select(*counts)).one())


@dataclass(frozen=True, slots=True)
class OpenWork:
    """What would be left behind: numbers of orders by state, listings in trouble, whether a stock preview waits, and of how many
    orders the shop has not been updated yet (``not_sent``). ``by_hand`` are orders with something to do by hand in the shop, which are not
    counted as ``not_sent`` besides.
    ``reserved`` are the units that its open orders have reserved."""

    held: int
    unshipped: int
    failed_listings: int
    preview_waits: bool
    not_sent: int = 0
    reserved: int = 0
    by_hand: int = 0

    @property
    def anything(self) -> bool:
        return bool(self.held or self.unshipped or self.failed_listings or self.preview_waits or self.not_sent or self.by_hand)


def open_work(integration: Integration) -> OpenWork:
    states = dict(
        db.session.execute(
            select(Order.state, func.count())
            .where(Order.shop_id == integration.shop_id, Order.state.in_(OPEN_STATES))
            .group_by(Order.state)
        ).all()
    )
    failed = db.session.scalar(
        select(func.count()).where(Listing.shop_id == integration.shop_id, Listing.push_failed, Listing.gone_at.is_(None))
    )
    to_do = select(func.count()).where(Order.shop_id == integration.shop_id, Order.id.in_(by_hand.orders_to_do()))
    not_sent = write_backs.count_orders_not_sent(integration.shop_id, without=by_hand.orders_to_do())
    held = states.pop("on_hold", 0)
    return OpenWork(held, sum(states.values()), failed or 0, integration.waiting_run_id is not None, not_sent,
                    released.reserved_units(integration.shop_id), db.session.scalar(to_do) or 0)  # fmt: skip
