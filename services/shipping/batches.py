"""What became of orders that were shipped together: how much waits, was sent or was undone. For pages that offer to undo it."""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select

from errors import NotFound
from extensions import db
from models import Integration, Shipment, ShipmentLine, WriteBack
from models.types import utcnow
from services.common.batches import batches
from services.shipping import outlook


@dataclass(frozen=True, slots=True)
class Batch:
    """``counts`` says how many shipments are in which state: ``waiting`` (can be undone), ``here`` (nothing is to be sent, can be undone),
    ``sending``, ``retrying``, ``sent``, ``failed``, ``taken_back``. ``orders`` are the ids of the orders of which something is left. ``due_at`` is when the first of
    those that wait is sent; ``obstacles`` are sentences about shops that cannot be updated now. ``shops`` is how many shops are updated.
    ``parcels`` are those left that only add a tracking number, ``parcels_only`` the orders that have nothing else here."""

    name: str
    counts: Counter[str]
    orders: list[int]
    due_at: datetime | None
    obstacles: list[str]
    shops: int = 1
    parcels: int = 0
    parcels_only: int = 0

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def may_undo(self) -> int:
        return self.counts["waiting"] + self.counts["here"]

    @property
    def seconds(self) -> int:
        """Until the first of those that wait is sent."""
        return max(0, round((self.due_at - utcnow()).total_seconds())) if self.due_at is not None else 0

    @property
    def live(self) -> bool:
        """Whether it is about to change by itself."""
        return bool(self.counts["sending"] or (self.counts["waiting"] and not self.obstacles))


def new_name() -> str:
    """The name of a new batch, which nobody can guess."""
    return f"sheet-{secrets.token_hex(12)}"


def get_batch(name: str) -> Batch:
    """Raises NotFound."""
    found = find_batch(name)
    if found is None:
        raise NotFound("There is no such shipment.")
    return found


def find_batch(name: str) -> Batch | None:
    if not name:
        return None
    rows = db.session.scalars(select(Shipment).where(Shipment.batch == name, Shipment.batch != "")).all()
    return _batch(name, rows) if rows else None


def undone_in(name: str) -> dict[int, tuple[str, str]]:
    """Carrier and tracking number of each shipment of a batch that was undone, by order: what is typed on its sheet once more."""
    query = select(Shipment).where(Shipment.batch == name, Shipment.batch != "", Shipment.undone).order_by(Shipment.id)
    return {row.order_id: (row.carrier, row.tracking_number) for row in db.session.scalars(query)}


def of_shipment(shipment: Shipment) -> Batch:
    """One shipment alone, as if it were a batch."""
    return _batch("", [shipment])


def of_known(shipment: Shipment, updates: Sequence[WriteBack], integration: Integration | None) -> Batch:
    """``of_shipment`` where all write-backs of its order have been read, oldest first, and the present integration of its shop."""
    return _counted("", [shipment], {shipment.order_id: updates}, lambda _, event: outlook.obstacle_in(integration, event))


def _batch(name: str, rows: Sequence[Shipment]) -> Batch:
    updates = _updates(list(dict.fromkeys(row.order_id for row in rows)))
    holding = set(
        db.session.scalars(
            select(ShipmentLine.shipment_id).join(Shipment).where(Shipment.batch == name, Shipment.batch != "").distinct()
        )
    )
    left = [row for row in rows if row.voided_at is None]
    parcels = [row for row in left if name and row.id not in holding]
    only = {row.order_id for row in parcels} - {row.order_id for row in left if row.id in holding}
    return replace(_counted(name, rows, updates, outlook.obstacle_of_shop), parcels=len(parcels), parcels_only=len(only))


def _updates(order_ids: Sequence[int]) -> dict[int, list[WriteBack]]:
    """The write-backs of each of these orders, oldest first."""
    updates: dict[int, list[WriteBack]] = defaultdict(list)
    for some in batches(order_ids):
        query = select(WriteBack).where(WriteBack.order_id.in_(some)).order_by(WriteBack.id)
        for update in db.session.scalars(query):
            updates[update.order_id].append(update)
    return updates


def _counted(
    name: str,
    rows: Sequence[Shipment],
    updates: Mapping[int, Sequence[WriteBack]],
    obstacle: Callable[[int, str], str],
) -> Batch:
    counts: Counter[str] = Counter()
    due, shops = [], set()
    updated: set[int] = set()
    for row in rows:
        since = [update for update in updates.get(row.order_id, ()) if update.id > (row.after_write_back_id or 0)]
        state = _state(row, since)
        counts[state] += 1
        updated.update(update.shop_id for update in since)
        if state in ("waiting", "retrying"):
            waits = next(update for update in since if update.state == "waiting")
            due.append(waits.due_at)
            shops.add((waits.shop_id, waits.event))
    obstacles = sorted({sentence for shop_id, event in shops if (sentence := obstacle(shop_id, event))})
    left = list(dict.fromkeys(row.order_id for row in rows if row.voided_at is None))
    return Batch(name, counts, left, min(due, default=None), obstacles, len(updated))


def _state(shipment: Shipment, since: Sequence[WriteBack]) -> str:
    """Of what was planned since a shipment: ``since`` are these write-backs, oldest first."""
    if shipment.voided_at is not None:
        return "taken_back"
    present = [row for row in since if row.state not in ("undone", "replaced")]
    for state in ("sending", "waiting", "failed"):
        if any(row.state == state for row in present):
            tried = any(row.tried_at is not None for row in since)
            return "retrying" if state == "waiting" and tried else state
    return "sent" if present else "here"
