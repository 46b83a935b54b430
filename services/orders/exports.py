"""Exports of orders: a row for each order or each line, with chosen columns, as rows that are read while they are written.

Nothing here knows how a file is made or sent: export_files.py makes it of the rows, and export_deliveries.py sends it on a schedule.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import raiseload, selectinload

from errors import InvalidInput, NotFound
from extensions import db, reading, writing
from models import ExportTarget, Integration, Order, OrderExport, OrderLine, Shipment
from services.common.batches import in_batches
from services.common.text import one_line
from services.orders import export_filters, notes, queries, tags, views
from services.orders.export_columns import FIRST, SHIPPING, Column, Facts, offered
from services.orders.export_files import check_format
from services.orders.views import Wanted
from services.security import audit
from services.security.audit import About, record_change
from services.shipping import carriers, shipments

MOST_NAME, MOST_SAVED = 100, 100
BY = ("order", "line")
Changes = Mapping[str, tuple[Any, Any]]
SAVED = audit.kind("order_export.saved", "Export of orders saved")


@dataclass(frozen=True, slots=True)
class Spec:
    """``by`` is what a row is, one of ``BY``; ``columns`` are those of the file, in its order."""

    by: str
    columns: tuple[Column, ...]

    @property
    def header(self) -> list[str]:
        return [column.name for column in self.columns]


@dataclass(frozen=True, slots=True)
class Placed:
    """When the orders were placed: from a moment on, and before another."""

    since: datetime | None = None
    before: datetime | None = None


def make_spec(by: str, names: Iterable[str], *, with_customers: bool) -> Spec:
    """With the columns that are known and may be seen, in the order in which they are offered. Raises InvalidInput if none is left."""
    by = by if by in BY else "order"
    wanted = set(names)
    chosen = tuple(column for column in offered(by, with_customers=with_customers) if column.name in wanted)
    if not chosen:
        raise InvalidInput("Select at least one column.", field="column")
    return Spec(by, chosen)


def first_spec(by: str, *, with_customers: bool) -> Spec:
    """What is chosen at first."""
    by = by if by in BY else "order"
    return make_spec(by, FIRST[by], with_customers=with_customers)


def iter_rows(spec: Spec, wanted: Wanted, placed: Placed = Placed()) -> Iterator[list[Any]]:
    """The rows of the file. Memory does not grow with their number."""
    return rows_of(spec, ids_of(wanted, placed))


def ids_of(wanted: Wanted, placed: Placed = Placed()) -> Select[*tuple[Any, ...]]:
    """The ids of the orders of a file, in their order."""
    query, order = views.query_of(wanted, everything=True)
    if placed.since is not None:
        query = query.where(Order.placed_at >= placed.since)
    if placed.before is not None:
        query = query.where(Order.placed_at < placed.before)
    return query.order_by(*order)


def rows_of(spec: Spec, ids: Select[*tuple[Any, ...]]) -> Iterator[list[Any]]:
    """The rows of these orders, as they are when they are read."""
    with reading():
        links = carriers.read_links()
        names = dict(
            db.session.execute(select(Integration.shop_id, Integration.name).where(Integration.removed_at.is_(None))).all()
        )
    for batch in in_batches(ids, _loader(spec, names, links)):
        for rows in batch:
            yield from rows


def _loader(spec: Spec, names: dict[int, str], links: carriers.Links) -> Callable[[Sequence[int]], dict[int, list[list[Any]]]]:
    chosen = {column.name for column in spec.columns}
    ships = any(column.group == SHIPPING for column in spec.columns)
    loaded = selectinload(Order.lines).options(raiseload(OrderLine.allocations))

    def load(ids: Sequence[int]) -> dict[int, list[list[Any]]]:
        parcels = _parcels_of(ids) if ships else {}
        tagged = tags.of_orders(ids) if "tags" in chosen else {}
        noted = notes.of_orders(ids) if "internal_notes" in chosen else {}
        query = select(Order).where(Order.id.in_(ids)).options(loaded, *queries.WITHOUT_PAYLOAD)
        found = {}
        for order in db.session.scalars(query):
            every = parcels.get(order.id, [])
            sent, numbers = [each for each in every if each.voided_at is None], _numbers_there(order, every)
            texts = [note.text for note in noted.get(order.id, [])]
            rows = [
                Facts(
                    order,
                    line,
                    names.get(order.shop_id, ""),
                    _of_line(sent, line),
                    numbers,
                    tagged.get(order.id, []),
                    texts,
                    links,
                )
                for line in (order.lines if spec.by == "line" else [None])
            ]
            found[order.id] = [[column.value(facts) for column in spec.columns] for facts in rows]
        return found

    return load


def _parcels_of(ids: Sequence[int]) -> dict[int, list[Shipment]]:
    """Voided ones too."""
    found: dict[int, list[Shipment]] = defaultdict(list)
    query = select(Shipment).where(Shipment.order_id.in_(ids)).options(selectinload(Shipment.lines))
    for shipment in db.session.scalars(query.order_by(Shipment.id)):
        found[shipment.order_id].append(shipment)
    return found


def _numbers_there(order: Order, parcels: Iterable[Shipment]) -> list[str]:
    """The tracking numbers that the shop shows of an order, once each, without those of parcels here: they stand there, or were voided or
    changed and only wait to be removed in the shop. The shop does not say of which lines they are."""
    here = {
        shipments.bare(number) for each in parcels for number in (each.tracking_number, *(old["tracking"] for old in each.edits))
    }
    found: dict[str, str] = {}
    for number in order.tracking_numbers:
        found.setdefault(shipments.bare(number), number)
    return [number for bare, number in found.items() if bare not in here]


def _of_line(parcels: Sequence[Shipment], line: OrderLine | None) -> list[Shipment]:
    """The parcels that hold a line, or all of an order. A further parcel names no lines: it stands beside every line."""
    if line is None:
        return list(parcels)
    return [each for each in parcels if not each.lines or any(part.order_line_id == line.id for part in each.lines)]


def list_saved() -> list[OrderExport]:
    """By name."""
    return list(db.session.scalars(select(OrderExport).order_by(OrderExport.name_key).limit(MOST_SAVED)))


def get_saved(export_id: int) -> OrderExport:
    """Raises NotFound."""
    found = db.session.get(OrderExport, export_id)
    if found is None:
        raise NotFound("There is no such export.")
    return found


def find_saved(name: str) -> OrderExport:
    """Raises NotFound."""
    found = db.session.scalar(select(OrderExport).where(OrderExport.name_key == _key(name)))
    if found is None:
        raise NotFound(f"There is no saved export {name!r}.")
    return found


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a person knows of the export that saving replaces: the id of the one they ``opened``, and the ``seen`` of WouldReplace."""

    opened: int | None = None
    seen: str = ""


class WouldReplace(InvalidInput):
    """Another export has the name. ``changes`` are (before, after) by field, as the trail records them; ``seen`` says that a person saw them."""

    def __init__(self, row: OrderExport, changes: Changes, seen: str) -> None:
        super().__init__(f"{row.name} is saved already.", "Choose another name, or replace it.", field="name")
        self.export_id, self.name, self.changes, self.seen = row.id, row.name, changes, seen


def save(
    name: str, spec: Spec, actor: str, *, wanted: Wanted | None = None, format_name: str = "csv", agreed: Agreed = Agreed()
) -> int:  # fmt: skip
    """Save an export under a name: its columns, its format, and which orders it holds in which order. Returns its id.

    One of that name is replaced if it is the one that was opened and is not delivered, or if a person has seen what changes.
    Raises InvalidInput, WouldReplace otherwise."""
    name = one_line(name, MOST_NAME, "name", "name")
    if not name:
        raise InvalidInput("Enter a name to save the export.", field="name")
    chosen = _Chosen(spec, check_format(format_name), export_filters.as_stored(wanted or Wanted()))
    try:
        return _save(name, chosen, actor, agreed)
    except IntegrityError:
        return _save(name, chosen, actor, agreed)  # somebody has just saved the same name


@dataclass(frozen=True, slots=True)
class _Chosen:
    spec: Spec
    format: str
    orders: dict[str, Any]


def _save(name: str, chosen: _Chosen, actor: str, agreed: Agreed) -> int:
    spec = chosen.spec
    with writing() as session:
        row = session.scalar(select(OrderExport).where(OrderExport.name_key == _key(name)))
        is_new = row is None
        if row is None:
            if len(list_saved()) >= MOST_SAVED:
                raise InvalidInput(f"There are {MOST_SAVED} saved exports already.", "Remove one first.", field="name")
            row = OrderExport(name=name, name_key=_key(name), by="", columns=[], format="", orders=None)
            session.add(row)
        changes = {
            "by": (row.by, spec.by), "columns": (", ".join(row.columns), ", ".join(spec.header)), "format": (row.format, chosen.format),
            "orders": (_said(row.orders), _said(chosen.orders)),
        }  # fmt: skip
        if not is_new:
            _refuse_unseen(row, changes, agreed)
        row.name, row.by, row.columns, row.changed_by = name, spec.by, spec.header, actor
        row.format, row.orders = chosen.format, chosen.orders
        session.flush()
        record_change(SAVED, About(row.id, name), changes, actor)
        return row.id


def _refuse_unseen(row: OrderExport, changes: Changes, agreed: Agreed) -> None:
    """Raises WouldReplace where an export would become another one unseen."""
    differing = {field: each for field, each in changes.items() if each[0] != each[1]}
    shown = hashlib.sha256(repr((row.id, differing)).encode()).hexdigest()[:16]
    if not differing or agreed.seen == shown:
        return
    delivered = db.session.scalar(select(ExportTarget.id).where(ExportTarget.export_id == row.id)) is not None
    if delivered or agreed.opened != row.id:
        raise WouldReplace(row, differing, shown)


def _said(orders: dict[str, Any] | None) -> str:
    """A stored filter for the trail."""
    return ", ".join(f"{name} {value}" for name, value in sorted((orders or {}).items()))


def spec_of(row: OrderExport, *, with_customers: bool) -> Spec:
    """The columns of a saved export, as far as they may be seen. Raises InvalidInput if none is left."""
    return make_spec(row.by, row.columns, with_customers=with_customers)


def _key(name: str) -> str:
    return " ".join(name.split()).casefold()
