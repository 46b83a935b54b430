"""The audit trail, read: for its page, its file and command, and as the history of one object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import load_only

from extensions import db
from models import ApiToken, AuditEntry, Integration, User
from services.common.batches import in_batches
from services.common.paging import Page, page_of
from services.security.audit import KINDS, without_personal

Say = Callable[[Any, Integration | None], str]
"""Says a value, of a shop as that shop calls it."""
Words = tuple[str, Say]
PAGE_SIZE = 50
NEWEST = (AuditEntry.at.desc(), AuditEntry.id.desc())
SORTS: dict[str, Any] = {"": NEWEST, "oldest": (AuditEntry.at, AuditEntry.id)}
OF_OWNERS = ("user", "api_token", "event_endpoint", "installation")
"""What only owners see, besides what they did themselves: it tells who signs in from where, and what opens Cartlink to programs."""
MOST_ACTORS = 500
LINES = "cli"
"""The filter for everything that was done on the command line, by anyone."""
SPELLED = {"api_token": "API token", "installation": "Cartlink itself", "offer": "Supplier’s code", "order_export": "Export of orders", "run": "Sync run",
           "seller": "Printed documents"}  # fmt: skip
SUBJECTS: dict[str, Callable[[str], str]] = {}
"""By kind of thing, how pages call one that is stored under a code. Filled by ``use_words``."""
WORDS: dict[str, Mapping[str, Words]] = {}
"""By kind of thing and field, what pages call the field and how they say its value. Filled where those labels are (``use_words``)."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads the trail. Without ``owner`` they see what they did themselves, but not what others did about OF_OWNERS."""

    actor: str = ""
    owner: bool = True
    customers: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """``actor`` is as in AuditEntry, or LINES. ``search`` is a part of what the object is called. ``until`` is not included."""

    reader: Reader = Reader()
    actor: str = ""
    object: str = ""
    object_id: int | None = None
    integration_id: int | None = None
    search: str = ""
    since: datetime | None = None
    until: datetime | None = None
    sort: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """``what`` says what was done, ``changes`` are (field, before, after) in words."""

    id: int
    at: datetime
    actor: str
    cause: str
    kind: str
    what: str
    object: str
    object_id: int | None
    subject: str
    integration: str
    changes: list[tuple[str, str, str]]


def list_page(wanted: Wanted, place: str = "", size: int = PAGE_SIZE) -> Page[Entry]:
    """A page of the trail, newest first unless ``wanted.sort`` is another of ``SORTS``."""
    order = SORTS.get(wanted.sort, NEWEST)
    return page_of(_matching(wanted), order, place, size, lambda found: [_entry(row[0], row[1], wanted.reader) for row in found])


def iter_entries(wanted: Wanted, limit: int | None = None) -> Iterator[list[Entry]]:
    """All of it, a batch at a time, in the order of ``list_page``."""
    ids = _matching(wanted).with_only_columns(AuditEntry.id).order_by(*SORTS.get(wanted.sort, NEWEST)).limit(limit)
    return in_batches(ids, lambda found: _load(found, wanted.reader))


def history(object: str, object_id: int, reader: Reader, limit: int = 50) -> list[Entry]:
    """The newest entries about one object, without what its page shows anyway."""
    elsewhere = [name for name, kind in KINDS.items() if kind.elsewhere]
    query = _matching(Wanted(reader, object=object, object_id=object_id)).where(AuditEntry.kind.not_in(elsewhere))
    return [_entry(row[0], row[1], reader) for row in db.session.execute(query.order_by(*NEWEST).limit(limit))]


def actors() -> dict[str, str]:
    """Who may have changed something, by the actor that the filter takes: users, API tokens, and the command line."""
    people = db.session.scalars(select(User.name).order_by(User.name_key).limit(MOST_ACTORS)).all()
    programs = db.session.scalars(select(ApiToken.name).distinct().order_by(ApiToken.name).limit(MOST_ACTORS)).all()
    named = {f"user:{name}": name for name in people} | {f"api:{name}": f"api:{name}" for name in programs}
    return {**named, LINES: "Command line"}


def objects() -> dict[str, str]:
    """What kinds there are of things that can change, as people call them, by name."""
    return {name: object_words(name) for name in sorted({kind.object for kind in KINDS.values()}, key=object_words)}


def object_words(name: str) -> str:
    """``stock_item`` -> Stock item."""
    return SPELLED.get(name) or name.replace("_", " ").capitalize()


def use_words(object: str, words: Mapping[str, Words], subject: Callable[[str], str] | None = None) -> None:
    """Say changes of a kind of thing as its pages do, and with ``subject`` what one is called. Fields that are not named are said as they are
    stored."""
    WORDS[object] = words
    if subject is not None:
        SUBJECTS[object] = subject


def in_every_shop(say: Callable[[Any], str]) -> Say:
    """What says a value that is called the same in every shop."""
    return lambda value, _: say(value)


def _load(ids: Sequence[int], reader: Reader) -> dict[int, Entry]:
    found = db.session.execute(_entries().where(AuditEntry.id.in_(ids)))
    return {entry.id: _entry(entry, integration, reader) for entry, integration in found}


def _entries() -> Select[*tuple[Any, ...]]:
    shop = load_only(Integration.name, Integration.kind, Integration.statuses)
    return select(AuditEntry, Integration).outerjoin(Integration, Integration.id == AuditEntry.integration_id).options(shop)


def _matching(wanted: Wanted) -> Select[*tuple[Any, ...]]:
    row, query = AuditEntry, _entries()
    reader = wanted.reader
    if not reader.owner:
        query = query.where(or_(row.object.not_in(OF_OWNERS), row.actor == reader.actor))
    if wanted.actor == LINES:
        # Names on the command line all lie between these two, and an index finds them.
        query = query.where(row.actor >= f"{LINES}:", row.actor < f"{LINES};")
    elif wanted.actor:
        query = query.where(row.actor == wanted.actor)
    if wanted.object:
        query = query.where(row.object == wanted.object)
    if wanted.object_id is not None:
        query = query.where(row.object_id == wanted.object_id)
    if wanted.integration_id is not None:
        query = query.where(row.integration_id == wanted.integration_id)
    if wanted.search:
        # An integration is called what it is called today.
        named = and_(row.object == "integration", Integration.name.icontains(wanted.search, autoescape=True))
        query = query.where(or_(row.subject.icontains(wanted.search, autoescape=True), named))
    if wanted.since is not None:
        query = query.where(row.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(row.at < wanted.until)
    return query


def _entry(row: AuditEntry, integration: Integration | None, reader: Reader) -> Entry:
    known = KINDS.get(row.kind)
    what = known.words if known else row.kind.partition(".")[2].replace("_", " ").capitalize()
    name = integration.name if integration is not None else ""
    subject = row.subject or (name if row.object == "integration" else "")
    subject = SUBJECTS[row.object](subject) if row.object in SUBJECTS else subject
    changes = row.changes if reader.customers else without_personal(row.changes, "hidden")
    said_so = [in_words(row.object, integration, *change) for change in changes]
    return Entry(
        row.id, row.at, row.actor, row.cause, row.kind, what, row.object, row.object_id, subject, name, said_so
    )  # fmt: skip


def in_words(object: str, integration: Integration | None, field: str, before: Any, after: Any) -> tuple[str, str, str]:
    """One change of a thing of this kind, as the trail says it: what the field is called, its value before and after."""
    label, say = WORDS.get(object, {}).get(field) or (_name(field), in_every_shop(said))
    first, last = (said(value) if value in (None, "", []) else say(value, integration) for value in (before, after))
    return label, first, last


def _name(field: str) -> str:
    words = field.replace("_", " ").capitalize()
    return words.replace("Api", "API").replace("Url", "Address").replace("sku", "SKU")


def said(value: Any) -> str:
    """A value as people read it."""
    if value is True or value is False:
        return "Yes" if value else "No"
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, list):
        return ", ".join(" × ".join(map(str, one)) if isinstance(one, list) else str(one) for one in value)
    return str(value)
