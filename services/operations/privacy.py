"""Personal data of customers: given out and erased on request, and erased automatically some time after shipping, if that is set.

Erasing leaves money, SKUs, quantities and stock as they are. It takes names, addresses, email addresses, notes, chosen options
(an engraving may be a name), tracking numbers, internal notes, the shop's payload, and what of all that a change noted before and after, a
shipment or a message to the shop says, or a file of shipments still holds.
What the shop says later of such an order does not bring it back.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Select, delete, or_, select, update
from sqlalchemy.orm import load_only, selectinload

from errors import Conflict, InvalidInput, NotFound
from extensions import db, one_transaction, reading, writing
from models import Order, OrderChange, OrderLine, OrderNote, Shipment, ShipmentFile, ShopTask, WriteBack
from models.order import OPEN_STATES
from models.types import utcnow
from services.common import installation
from services.common.batches import stamp
from services.common.results import changed_rows
from services.order_basics import identity, numbers
from services.order_basics.audited import ERASED, about_orders
from services.order_basics.columns import WITHOUT_CUSTOMER
from services.orders import export_records, notes, redaction, search, tags
from services.orders.queries import list_changes, order_object
from services.security import audit
from services.security.audit import About, record_change, record_changes
from services.shipping import by_hand, shipments, write_backs
from services.shipping import files as shipment_files

DAYS = "erase_customers_after_days"
DONE_AT = "customers_erased_at"
EVERY = timedelta(hours=1)
BATCH = 100
MERGE_SECONDS = 3
MOST_DAYS = 3650
KEPT = audit.kind("installation.privacy_changed", "Privacy settings changed")


def erased_after() -> int | None:
    """Days after a shipped order's last change until its customer's data is erased; None for never."""
    days: int | None = installation.read_setting(DAYS)
    return days


def set_erased_after(days: int | None, actor: str) -> None:
    """Raises InvalidInput."""
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise InvalidInput(f"The number of days has to be between 1 and {MOST_DAYS}.", field="days")
    with one_transaction():
        changes = {"days_that_customers’_data_is_kept": (erased_after() or "for good", days or "for good")}
        record_change(KEPT, About(subject="Privacy"), changes, actor)
        installation.change_setting(DAYS, days, actor)


def is_due() -> bool:
    """Whether there may be something to erase: it is switched on, and was last done an hour ago or more."""
    if erased_after() is None:
        return False
    last = installation.read_setting(DONE_AT)
    return last is None or datetime.fromisoformat(last) < utcnow() - EVERY


def erase_due() -> int:
    """Erase what has lain long enough; returns the number of orders."""
    days = erased_after()
    if days is None:
        return 0
    before = utcnow() - timedelta(days=days)
    # One that was shipped here the other day may have last been changed in the shop long before.
    of_late = select(Shipment.id).where(Shipment.order_id == Order.id, Shipment.shipped_at >= before)
    due = (
        select(Order.id)
        .where(Order.state == "shipped", Order.placed_at < before, Order.changed_at < before, Order.erased_at.is_(None),
               ~of_late.exists())
        .order_by(Order.id)
        .limit(BATCH)
    )  # fmt: skip
    count = 0
    while ids := _read_ids(due):
        count += _erase(ids)
    if count:
        _empty_the_log()
    installation.change_setting(DONE_AT, utcnow().isoformat(), "schedule")
    return count


def _read_ids(query: Select[int]) -> list[int]:
    with reading() as session:
        return list(session.scalars(query))


def find_orders(number: str) -> list[Order]:
    """Orders with this number or shop's id, of every shop there ever was, the newest first; a customer may ask for any. They are named
    as everywhere (services/order_basics/numbers.py)."""
    named = numbers.parse(number)
    ids = [each for each in (*named.numbers, named.external_id) if each]
    if not ids:
        return []
    wanted = or_(Order.number.in_(named.numbers), Order.external_id.in_(ids))
    return list(db.session.scalars(select(Order).where(wanted).order_by(Order.placed_at.desc(), Order.id).limit(20)))


def get_order(order_id: int) -> Order:
    """Raises NotFound."""
    order = db.session.get(Order, order_id, options=[selectinload(Order.lines)])
    if order is None:
        raise NotFound("There is no such order.")
    return order


def export_order(order_id: int) -> dict[str, Any]:
    """Everything that is stored of an order, as plain values: for a customer who asks what is known. Raises NotFound.

    The former key of ``write_backs`` stays for one version."""
    order = get_order(order_id)
    updates = [
        {"at": stamp(each.created_at), "event": each.event, "tracking_numbers": each.tracking_numbers, "state": each.state,
         "note": each.note, "error": each.error}
        for each in write_backs.of_order(order.id)
    ]  # fmt: skip
    return {
        **order_object(order), "erased_at": stamp(order.erased_at), "changes": list_changes(order.id),
        "surcharges": order.surcharge_rows, "payload": msgspec.json.decode(order.raw) if order.raw else None,
        "shipments": [
            {"shipped_at": stamp(each.shipped_at), "carrier": each.carrier, "tracking_number": each.tracking_number, "note": each.note, "edits": each.edits,
             "lines": [{"sku": line.sku, "name": line.name, "quantity": line.quantity} for line in each.lines]}
            for each in shipments.of_order(order.id)
        ],
        "write_backs": updates, "told_to_the_shop": updates,
        "exports": [
            {"delivered_at": stamp(each.at), "export": each.name, "to": each.place} for each in export_records.of_order(order.id)
        ],
        "internal_notes": [{"at": stamp(each.at), "by": each.actor, "text": each.text} for each in notes.of_orders([order.id])[order.id]],
        "tags": tags.of_orders([order.id])[order.id],
        "to_do_in_the_shop": [{"at": stamp(each.created_at), "what": by_hand.sentence(each)} for each in by_hand.tasks(order.id)],
    }  # fmt: skip


def erase_order(order_id: int) -> None:
    """Erase the customer's data of one order; twice is the same as once.

    Raises NotFound, or Conflict for an order that has still to be shipped."""
    order = get_order(order_id)
    if order.state in OPEN_STATES:
        raise Conflict(
            f"Order {order.number or order.external_id} has still to be shipped, and cannot be without an address.",
            "Ship or cancel it in the shop first; it can be erased after the next download.",
        )
    _erase([order_id], by_hand=True)
    _empty_the_log()


def _erase(ids: Sequence[int], *, by_hand: bool = False) -> int:
    """``by_hand`` says that a person asks for it; what is erased on schedule is not in the trail."""
    now = utcnow()
    with writing() as session:
        fresh = session.scalars(select(Order.id).where(Order.id.in_(ids), Order.erased_at.is_(None))).all()
        _keep_digests(ids)
        erased = changed_rows(session.execute(
            update(Order).where(Order.id.in_(ids), Order.state.not_in(OPEN_STATES)).values(**WITHOUT_CUSTOMER, raw=b"", erased_at=now, updated_at=now)
            .execution_options(synchronize_session=False)
        ))  # fmt: skip
        search.erase(ids)
        session.execute(delete(OrderNote).where(OrderNote.order_id.in_(ids)).execution_options(synchronize_session=False))
        session.execute(
            update(OrderLine).where(OrderLine.order_id.in_(ids)).values(options=[]).execution_options(synchronize_session=False)
        )
        for change in session.scalars(select(OrderChange).where(OrderChange.order_id.in_(ids))):
            kept = redaction.without_customer(change.fields)
            if kept != change.fields:
                change.fields = kept
        for table in (Shipment, WriteBack, ShopTask):
            session.execute(
                update(table).where(table.order_id.in_(ids)).values(redaction.WITHOUT_TRACKING[table])
                .execution_options(synchronize_session=False)
            )  # fmt: skip
        _erase_in_files(set(ids))
        export_records.forget_customers(ids)
        audit.erase_orders(ids)
        if by_hand and erased:
            record_changes(ERASED, about_orders(fresh))
    return erased


def _keep_digests(ids: Sequence[int]) -> None:
    """Rows of before the digest get it now: it tells later whether the shop uses the order's id again."""
    query = (
        select(Order)
        .where(Order.id.in_(ids), Order.email_digest.is_(None), Order.email != "")
        .options(load_only(Order.shop_id, Order.email))
    )
    for order in db.session.scalars(query).all():
        order.email_digest = identity.email_digest(identity.ensure_key(order.shop_id), order.email)
    db.session.flush()


def _erase_in_files(ids: set[int]) -> None:
    """What is kept of files to be read again goes too: nobody knows whom they name."""
    kept = update(ShipmentFile).where(ShipmentFile.content.is_not(None)).values(content=None)
    db.session.execute(kept.execution_options(synchronize_session=False))
    for file in db.session.scalars(select(ShipmentFile).order_by(ShipmentFile.id)):
        if file.layout is not None:
            shipment_files.without_cells(file)
        if any(row["order_id"] in ids for row in file.rows):
            file.rows = [{**row, "tracking": ""} if row["order_id"] in ids else row for row in file.rows]


def _empty_the_log() -> None:
    """On SQLite, take what was erased out of the search index (a worker goes on where that takes long), then bring the write-ahead log into the
    file and empty it: the old pages lie in it until then. (The file's own old pages are overwritten, see ``extensions``.) Where others
    are reading, it happens with their next commit."""
    until = time.monotonic() + MERGE_SECONDS
    search.merge(lambda: time.monotonic() > until)
    connection = db.engine.raw_connection()
    try:
        if isinstance(connection.driver_connection, sqlite3.Connection):
            connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    finally:
        connection.close()
