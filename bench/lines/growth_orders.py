"""What an order costs, and the pages about orders, as a shop's orders grow from 1,000 to 100,000.

For each size: an old shop's table is filled with copies of real orders, shipped long ago as most of such a shop's are, with their
lines; then its newest 1,000 orders are downloaded for real, the page of orders is asked for, one order is evaluated again, and
a tick is done in which nothing has happened.
"""

from __future__ import annotations

import contextvars
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import Table, func, insert, literal, select, text

import jobs.schedule
from bench.frame import Measured
from bench.growth import fitted, processor_seconds, spread_sizes
from bench.pairs import in_child
from bench.place import Place, connect, do, let_go
from extensions import db, reading, writing
from jobs import runs as run_jobs
from models import Integration, Order, OrderLine, SyncRun
from models.types import utcnow
from services.events import sequencer
from services.orders import evaluation
from tests.support.signed_in import sign_in

FRESH = 1_000
"""Orders that are downloaded into the table."""
MODELS = 200
"""Orders that the rest are copies of."""
FIRST_ID = 1_000_000
"""Ids of copies begin here."""

Model = tuple[dict[str, Any], list[dict[str, Any]]]
"""The columns of an order, and of each of its lines."""


def measure_download(place: Place) -> Measured:
    return _figure(place, "download", per="download of 1,000 orders")


def measure_list(place: Place) -> Measured:
    return _figure(place, "list", per="page")


def measure_evaluation(place: Place) -> Measured:
    return _figure(place, "evaluation", per="order")


def measure_tick(place: Place) -> Measured:
    return _figure(place, "tick", per="tick with an idle run of orders")


def _figure(place: Place, name: str, **details: Any) -> Measured:
    found = place.once("growth of orders", lambda: _measure(place))
    return fitted({size: costs[name] for size, costs in found.items()}, **details)


def _measure(place: Place) -> dict[int, dict[str, float]]:
    model_shop, shop = place.shop(products=400, orders=MODELS), place.shop(products=400, orders=FRESH)
    times = place.full_or_quick(7, 2)
    found: dict[int, dict[str, float]] = {}
    with place.installation():
        do(connect(model_shop), "orders")
        models = _models()
    for size in spread_sizes(FRESH, place.full_or_quick(100_000, 5_000), 3):
        with place.installation(REDIS_URL=place.fresh_queue(), REQUESTS_PER_MINUTE="100000") as app:
            integration_id = connect(shop)
            _fill(integration_id, models, size - FRESH)
            let_go()
            costs = {"download": in_child(_download, integration_id)}
            for kind in ("orders", "listings", "stock", "orders", "stock"):
                do(integration_id, kind)
            let_go()
            costs["list"] = contextvars.Context().run(in_child, _list, app, times)
            costs["evaluation"] = in_child(_evaluate, integration_id, times)
            costs["tick"] = in_child(_tick, integration_id, times)
            found[size] = costs
    return found


def _models() -> list[Model]:
    models = {row["id"]: (dict(row), []) for row in db.session.execute(select(*Order.__table__.columns)).mappings()}
    for row in db.session.execute(select(*OrderLine.__table__.columns)).mappings():
        models[row["order_id"]][1].append({name: value for name, value in row.items() if name != "id"})
    return list(models.values())


def _fill(integration_id: int, models: list[Model], number: int) -> None:
    """Copies of the models, as if downloaded by this integration long ago: one of each from here, the others by the database itself."""
    shop_id = db.session.get_one(Integration, integration_id).shop_id
    orders, its_lines = [], []
    for each, (model, lines) in enumerate(models[:number]):
        order_id = FIRST_ID + each
        orders.append(
            model | {"id": order_id, "shop_id": shop_id, "external_id": f"old-{each}", "number": f"OLD-{each}",
                     "placed_at": model["placed_at"] - timedelta(days=400, minutes=each), "state": "shipped",
                     "held_codes": [], "held_reason": "", "reason_codes": [], "cancel_unseen": False}
        )  # fmt: skip
        its_lines += [line | {"order_id": order_id, "shipped": line["quantity"]} for line in lines]
    with writing() as session:
        if orders:
            session.execute(insert(Order.__table__), orders)
            session.execute(insert(OrderLine.__table__), its_lines)
        _copy(Order.__table__, models, number)
        _copy(OrderLine.__table__, models, number)
        # What the triggers noted of it is no work of the ticks that are measured.
        session.execute(text("DELETE FROM event_change"))


def _copy(table: Table, models: list[Model], number: int) -> None:
    """Copy the rows of the first copies for each further one up to ``number``."""
    first = select(literal(len(models)).label("n")).cte("c", recursive=True)
    n = first.union_all(select(first.c.n + 1).where(first.c.n + 1 < number)).c.n
    row, order_id = table.alias("m"), (FIRST_ID + n).label("order_id")
    of = FIRST_ID + n % len(models)
    earlier = func.printf("-%d minutes", n - n % len(models))
    new = {
        "external_id": literal("old-").concat(n), "number": literal("OLD-").concat(n), "order_id": order_id,
        "placed_at": func.strftime("%Y-%m-%d %H:%M:%f000", row.c.placed_at, earlier) if "placed_at" in row.c else None,
    }  # fmt: skip
    if table is Order.__table__:
        new["id"], source = order_id, row.c.id
    else:
        source = row.c.order_id
    names = [column.name for column in table.columns if column.name in new or column.name != "id"]
    columns = [new.get(name, row.c[name]) for name in names]
    rows = select(*columns).join_from(n.table, row, source == of).where(n < number)
    db.session.execute(insert(table).from_select(names, rows))


def _download(integration_id: int) -> float:
    return processor_seconds(lambda: do(integration_id, "orders"))


def _list(app: Flask, times: int) -> float:
    client = app.test_client()
    sign_in(client, "owner")

    def ask() -> None:
        answer = client.get("/orders", headers={"Accept-Encoding": "gzip"})
        if answer.status_code != 200:
            raise RuntimeError(f"The page of orders answered {answer.status}.")

    ask()
    return processor_seconds(ask, times * 3)


def _evaluate(integration_id: int, times: int) -> float:
    open_order = select(Order.id).where(Order.state.in_(("on_hold", "ready"))).order_by(Order.id.desc()).limit(1)
    order_id = db.session.scalar(open_order)

    def evaluate() -> None:
        if evaluation.evaluate_again(integration_id, "bench", order_ids=[order_id]).orders != 1:
            raise RuntimeError("The order was not evaluated.")

    evaluate()
    return processor_seconds(evaluate, times * 3)


def _tick(integration_id: int, times: int) -> float:
    def tick() -> None:
        with writing() as session:
            integration = session.get_one(Integration, integration_id)
            integration.flows["orders"].due_at = integration.flows["stock"].due_at = utcnow()
        jobs.schedule.tick()
        with reading() as session:
            queued = session.scalars(select(SyncRun.id).where(SyncRun.state == "queued").order_by(SyncRun.id)).all()
        if len(queued) != 1:  # stock with nothing to send is moved on by the tick itself
            raise RuntimeError(f"The tick started {len(queued)} runs.")
        for run_id in queued:
            run_jobs.run(run_id)

    while sequencer.give_positions():  # what the runs have put into the log of events is work of other ticks
        pass
    tick()
    return processor_seconds(tick, times)
