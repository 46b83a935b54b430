"""Suppliers and their feeds: created, changed, enabled, disabled and removed by people and programs. Secrets are write-only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from errors import Conflict, InvalidInput, NameTaken, NotFound
from extensions import db, writing
from models import Feed, FeedRun, Supplier
from models.feed import LIVE_STATES
from models.types import utcnow
from services.common import timetable
from services.common.text import one_line
from services.common.timetable import Timetable
from services.feeds import feed_values, showing
from services.security import audit, vault
from services.security.audit import CHANGED, About, change_of_address, record_change

MOST_SUPPLIERS, MOST_FEEDS, MOST_LEAD = 500, 500, 365
SUPPLIER_CREATED = audit.kind("supplier.created", "Supplier added")
SUPPLIER_CHANGED = audit.kind("supplier.changed", "Supplier changed")
SUPPLIER_REMOVED = audit.kind("supplier.removed", "Supplier removed")
FEED_CREATED = audit.kind("feed.created", "Feed added")
FEED_CHANGED = audit.kind("feed.changed", "Feed changed")
FEED_REMOVED = audit.kind("feed.removed", "Feed removed")
AFRESH = {"approved_at": None}
"""What a feed forgets when it gets another file, or its file is read in another way: the next run waits for a person."""
UNREAD = {"etag": "", "last_modified": "", "digest": ""}
"""With which a feed knows no file that it could find unchanged."""


def get_supplier(supplier_id: int) -> Supplier:
    """Raises NotFound, also for one that was removed."""
    found = db.session.get(Supplier, supplier_id, populate_existing=True)
    if found is None or found.removed_at is not None:
        raise NotFound("There is no such supplier.")
    return found


def names_of(supplier_ids: Iterable[int]) -> dict[int, str]:
    """The names of those suppliers that were not removed."""
    query = select(Supplier.id, Supplier.name).where(Supplier.id.in_(set(supplier_ids)), Supplier.removed_at.is_(None))
    return {row.id: row.name for row in db.session.execute(query)}


def find_supplier(name: str) -> Supplier:
    """By name, in any case of its letters. Raises NotFound."""
    key = name_key(name)
    found = db.session.scalar(select(Supplier).where(Supplier.name_key == key, Supplier.removed_at.is_(None)))
    if found is None:
        raise NotFound(f"There is no supplier {name!r}.", "`flask suppliers list` shows them.")
    return found


def create_supplier(name: str, lead_days: int | None, actor: str) -> int:
    """Returns its id. Raises InvalidInput, or NameTaken where another supplier has the name."""
    name, lead_days = _clean_name(name, "supplier"), _clean_lead(lead_days)
    try:
        with writing() as session:
            present = session.scalar(select(func.count()).where(Supplier.removed_at.is_(None))) or 0
            if present >= MOST_SUPPLIERS:
                raise Conflict(f"There are {MOST_SUPPLIERS} suppliers already.", "Remove one that is no longer used.")
            row = Supplier(name=name, name_key=name_key(name), lead_days=lead_days, changed_by=actor)
            session.add(row)
            session.flush()
            record_change(SUPPLIER_CREATED, About(row.id, name), {"name": (None, name), "lead_days": (None, lead_days)}, actor)
            return row.id
    except IntegrityError:
        raise _taken(name) from None


def change_supplier(supplier_id: int, actor: str, **values: Any) -> None:
    """Change ``name`` or ``lead_days``. Raises NotFound, InvalidInput, or NameTaken."""
    if "name" in values:
        values["name"] = _clean_name(values["name"], "supplier")
    if "lead_days" in values:
        values["lead_days"] = _clean_lead(values["lead_days"])
    try:
        with writing() as session:
            row = get_supplier(supplier_id)
            changes = {field: (getattr(row, field), value) for field, value in values.items()}
            record_change(SUPPLIER_CHANGED, About(row.id, row.name), changes, actor)
            if any(before != after for before, after in changes.values()):
                for field, value in values.items():
                    setattr(row, field, value)
                row.name_key, row.changed_at, row.changed_by = name_key(row.name), utcnow(), actor
            session.flush()
    except IntegrityError:
        raise _taken(values["name"]) from None


def list_feeds(supplier_id: int) -> list[Feed]:
    """The feeds of a supplier that are not removed, by name."""
    query = select(Feed).where(Feed.supplier_id == supplier_id, Feed.removed_at.is_(None)).order_by(Feed.name, Feed.id)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def get_feed(feed_id: int) -> Feed:
    """Raises NotFound, also for one that was removed."""
    found = db.session.get(Feed, feed_id, populate_existing=True)
    if found is None or found.removed_at is not None:
        raise NotFound("There is no such feed.")
    return found


def create_feed(supplier_id: int, actor: str, **values: Any) -> int:
    """Add a feed to a supplier; returns its id. ``values`` are columns of models.Feed that a person sets (feed_values.SETTABLE), and
    ``secret``. It is due at once; its first run waits for a person. Raises NotFound, or InvalidInput with the field that is wrong."""
    with writing() as session:
        supplier = get_supplier(supplier_id)
        present = session.scalar(select(func.count()).where(Feed.removed_at.is_(None))) or 0
        if present >= MOST_FEEDS:
            raise Conflict(f"There are {MOST_FEEDS} feeds already.", "Remove one that is no longer used.")
        secret = str(values.pop("secret", "") or "")
        checked = feed_values.checked(values, secret)
        _refuse_twin(supplier_id, checked["name"])
        row = Feed(supplier_id=supplier.id, changed_by=actor, **checked)
        _put_secret(row, secret)
        row.due_at = utcnow() if plan_of(row) else None
        session.add(row)
        session.flush()
        said = {field: (None, value) for field, value in checked.items() if value not in (None, "", [], False)}
        record_change(FEED_CREATED, _about(row, supplier), _in_words(said) | ({"secret": CHANGED} if secret else {}), actor)
        return row.id


def change_feed(feed_id: int, actor: str, **values: Any) -> None:
    """Change a feed, also ``enabled``. A ``secret`` that is empty or not given stays as it is. A feed that gets another file, or reads it in
    another way, waits for a person at its next run. Raises NotFound, or InvalidInput with the field that is wrong."""
    secret = str(values.pop("secret", "") or "")
    with writing():
        row = _locked(feed_id)
        present = {name: getattr(row, name) for name in feed_values.SETTABLE}
        if values.get("columns"):
            # Who assigns columns without saying how letters are read leaves that as it is.
            values["columns"] = {"letters": (row.columns or {}).get("letters", ""), **values["columns"]}
        elsewhere = feed_values.leads_elsewhere(present, values)
        stored = "" if elsewhere else secret_of(row)
        new_place = any(values.get(name, present[name]) != present[name] for name in ("address", "path"))
        checked = feed_values.checked(present | values, secret or stored, new_zone="zone" in values, new_place=new_place)
        if checked["name"] != row.name:
            _refuse_twin(row.supplier_id, checked["name"], row.id)
        changes = {field: (present[field], value) for field, value in checked.items() if present[field] != value}
        renewed = bool(secret) and secret != secret_of(row)
        record_change(FEED_CHANGED, _about(row), _in_words(changes) | ({"secret": CHANGED} if renewed else {}), actor)
        if not changes and not renewed:
            return
        for field in changes:
            setattr(row, field, checked[field])
        if renewed or feed_values.needs_no_secret(row.auth):
            _put_secret(row, secret)
        _after_change(row, set(changes), actor)
        row.changed_at, row.changed_by = utcnow(), actor


def confirm_host_key(feed_id: int, host_key: str, actor: str) -> None:
    """Pin the host key of an SFTP server that a person has seen. Raises NotFound."""
    with writing():
        row = _locked(feed_id)
        record_change(FEED_CHANGED, _about(row), {"host_key": (row.host_key or None, host_key)}, actor)
        row.host_key, row.seen_host_key = host_key, ""
        row.changed_at, row.changed_by = utcnow(), actor
        row.retry_at = None
        row.due_at = utcnow() if plan_of(row) else row.due_at


def secret_of(feed: Feed) -> str:
    """What is sent to the supplier's server; empty where there is none. Raises ConfigError."""
    return "" if feed.secret_encrypted is None else vault.decrypt(feed.secret_encrypted)


def plan_of(feed: Feed) -> Timetable | None:
    """When it is due; None where nothing is planned."""
    return None if feed.enabled is False else timetable.of_row(feed)


def name_key(name: str) -> str:
    """How names of suppliers are compared."""
    return " ".join(name.split()).casefold()[:200]


def mark_removed(feed: Feed, actor: str) -> None:
    """Take a feed away: nothing is fetched any more, its secret is deleted, its runs stay. Call it inside ``writing()``."""
    record_change(FEED_REMOVED, _about(feed), actor=actor)
    feed.removed_at, feed.due_at, feed.retry_at, feed.enabled = utcnow(), None, None, False
    feed.failing_since, feed.failures, feed.changed_by = None, 0, actor
    _put_secret(feed, "")
    drop_live(feed.id, actor)


def drop_live(feed_id: int, actor: str) -> None:
    """Drop what is going on for a feed: its file is read in another way from now on, or not at all. Call it inside ``writing()``."""
    free = {"token": "", "lease_until": None}
    db.session.execute(
        update(FeedRun)
        .where(FeedRun.feed_id == feed_id, FeedRun.state.in_(LIVE_STATES))
        .values(state="dropped", finished_at=utcnow(), decided_by=actor, **free)
        .execution_options(synchronize_session=False)
    )


def _after_change(row: Feed, changed: set[str], actor: str) -> None:
    """What follows from a change of these fields."""
    if changed & (feed_values.OF_FILE | feed_values.OF_PLACE):
        drop_live(row.id, actor)
    if changed & feed_values.OF_FILE:
        for name, value in {**AFRESH, **UNREAD}.items():
            setattr(row, name, value)
    if changed & feed_values.OF_PLACE:
        if changed & {"method", "address"}:
            row.host_key = row.seen_host_key = ""
        row.failures, row.failing_since, row.retry_at = 0, None, None
        row.error_code = row.error = row.advice = ""
    if changed & (feed_values.OF_PLAN | feed_values.OF_PLACE | {"enabled"}):
        # A change of the file or its place is tried at once; another timetable begins from the last fetch.
        plan, now = plan_of(row), utcnow()
        row.retry_at = row.due_at = None
        if plan is not None:
            at_once = changed & (feed_values.OF_PLACE | {"enabled"}) or row.succeeded_at is None
            row.due_at = now if at_once else timetable.next_due(plan, row.succeeded_at or now)


def _put_secret(row: Feed, secret: str) -> None:
    row.secret_encrypted = vault.encrypt(secret) if secret else None
    row.secret_last4 = vault.last4(secret)


def _locked(feed_id: int) -> Feed:
    row = db.session.get(Feed, feed_id, with_for_update=True, populate_existing=True)
    if row is None or row.removed_at is not None:
        raise NotFound("There is no such feed.")
    return row


def _refuse_twin(supplier_id: int, name: str, but: int = 0) -> None:
    """Raises NameTaken."""
    names: Sequence[str] = db.session.scalars(
        select(Feed.name).where(Feed.supplier_id == supplier_id, Feed.removed_at.is_(None), Feed.id != but)
    ).all()
    if name_key(name) in {name_key(each) for each in names}:
        raise NameTaken(f"This supplier has a feed {name} already.", "Choose another name.")


def _in_words(changes: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    """Changes as the audit trail keeps them: the columns with their options on one line, the address without its query, and no headings."""
    said: dict[str, Any] = {field: each for field, each in changes.items() if field != "headings"}
    if "columns" in said:
        said["columns"] = tuple(showing.columns(each) for each in said["columns"])
    if "address" in said:
        said["address"] = change_of_address(*said["address"])
    return said


def _about(row: Feed, supplier: Supplier | None = None) -> About:
    return About(row.id, f"{(supplier or row.supplier).name}: {row.name}")


def _clean_name(name: str, what: str) -> str:
    name = one_line(name, feed_values.MOST_NAME, "name", "name")
    if not name:
        raise InvalidInput(f"Give the {what} a name.", field="name")
    return name


def _clean_lead(lead_days: int | None) -> int | None:
    if lead_days is not None and not 0 <= lead_days <= MOST_LEAD:
        raise InvalidInput(f"Lead days are a number from 0 to {MOST_LEAD}.", field="lead_days")
    return lead_days


def _taken(name: str) -> NameTaken:
    return NameTaken(f"There is a supplier {name} already.", "Choose another name.")
