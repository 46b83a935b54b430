"""``feeds``: files of quantities that are fetched from suppliers on a schedule. Their columns are assigned by a person on the page."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from api.operations import Call, matches, operation
from api.paging import ListQuery, Page, list_page
from api.problems import Problem
from api.reply import Reply
from api.resources.feed_runs import FeedRun, enqueue, one_run
from api.shapes import Body, Id, ZoneProblem, row_id
from errors import Conflict
from extensions import db, one_transaction
from models import Feed as Row
from services.common import zones
from services.common.deadlocks import retry_on_deadlock
from services.feeds import feed_values, removal, runs, suppliers

Name = Annotated[str, Meta(min_length=1, max_length=feed_values.MOST_NAME)]
Short = Annotated[str, Meta(max_length=feed_values.MOST_NAME)]
Long = Annotated[str, Meta(max_length=500)]
Secret = Annotated[str, Meta(max_length=20_000, description="A password, token or private key. It is in no answer.")]
Time = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z")]
Quiet = Annotated[str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9])?\Z", description="A time of day, empty for none.")]
Percent = Annotated[int, Meta(ge=0, le=100)]


class FeedPlace(Body):
    """Where the file is, and how Cartlink proves who it is: ``address`` is the URL of the file, or ``host:port`` of an SFTP server whose
    ``path`` is a file or a pattern. ``parameter`` is the name of the header or of the part of the query that holds the secret."""

    method: Literal["https", "sftp"] | UnsetType = UNSET
    address: Long | UnsetType = UNSET
    path: Long | UnsetType = UNSET
    auth: Literal["none", "basic", "bearer", "header", "query", "password", "key"] | UnsetType = UNSET
    user: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    parameter: Short | UnsetType = UNSET
    secret: Secret | UnsetType = UNSET
    sheet: Short | UnsetType = UNSET


class FeedChanges(FeedPlace):
    """Where its file is, when it is fetched, and what its quantities mean. Times of day are in ``zone``. What is left out stays as it is. A feed that
    gets another file waits for an approval with its next run."""

    name: Name | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    delta: bool | UnsetType = UNSET
    excludes_open_orders: bool | UnsetType = UNSET
    missing: Literal["keep", "zero", "zero_after"] | UnsetType = UNSET
    missing_after: Annotated[int, Meta(ge=1, le=100)] | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    interval_seconds: Annotated[int, Meta(ge=1, le=2_592_000)] | None | UnsetType = UNSET
    times: Annotated[list[Time], Meta(max_length=24)] | UnsetType = UNSET
    zone: Annotated[str, Meta(max_length=60)] | UnsetType = UNSET
    quiet_from: Quiet | UnsetType = UNSET
    quiet_until: Quiet | UnsetType = UNSET
    stale_after_seconds: Annotated[int, Meta(ge=900, le=90 * 86_400)] | UnsetType = UNSET
    when_stale: Literal["keep", "hold", "zero"] | UnsetType = UNSET
    zero_percent: Percent | UnsetType = UNSET
    rows_percent: Percent | UnsetType = UNSET
    unreadable_percent: Percent | UnsetType = UNSET


class NewFeed(FeedPlace, kw_only=True):
    """Everything else is set afterwards. Its first run waits for an approval. A file with other headings than ``sku`` and ``quantity`` waits until a
    person has assigned its columns."""

    supplier_id: Id
    name: Name


class HostKey(Body):
    """The ``seen_host_key`` of the feed, which a person has compared with the supplier's."""

    host_key: Annotated[str, Meta(min_length=1, max_length=5000)]


class Feed(Struct):
    """``host_key`` is that of its SFTP server, ``seen_host_key`` one that the server has shown and nobody has confirmed. ``columns_assigned`` says
    whether Cartlink knows what its columns hold. ``read_at`` is the time of the file whose offers are stored; ``stale_since`` is when they counted
    as too old. ``approved_at`` is null while its next run waits for an approval. ``error_code`` to ``advice`` say what the last failure was.
    ``version`` changes with what can be set."""

    id: str
    supplier_id: str
    supplier: str
    method: str
    address: str
    path: str
    auth: str
    user: str
    parameter: str
    secret_last4: str
    host_key: str
    seen_host_key: str
    sheet: str
    columns_assigned: bool
    name: str
    enabled: bool
    delta: bool
    excludes_open_orders: bool
    missing: str
    missing_after: int
    priority: int
    interval_seconds: int | None
    times: list[str]
    zone: str
    zone_problem: ZoneProblem
    quiet_from: str
    quiet_until: str
    stale_after_seconds: int
    when_stale: str
    zero_percent: int
    rows_percent: int
    unreadable_percent: int
    approved_at: datetime | None
    due_at: datetime | None
    retry_at: datetime | None
    read_at: datetime | None
    succeeded_at: datetime | None
    stale_since: datetime | None
    failing_since: datetime | None
    failures: int
    error_code: str
    error: str
    advice: str
    version: str


class FeedsQuery(ListQuery, kw_only=True):
    supplier: Id | None = None


PLACE, SETTABLE = (tuple(field.name for field in msgspec.structs.fields(kind)) for kind in (FeedPlace, FeedChanges))
SAME = tuple(
    name
    for name in Feed.__struct_fields__
    if name not in ("id", "supplier_id", "supplier", "columns_assigned", "zone_problem", "version")
)


@operation("GET", "/feeds", "List feeds", scope="feeds:read", query=FeedsQuery, answers={200: Page[Feed]})
def list_feeds(call: Call) -> Reply:
    query = select(Row.id).where(Row.removed_at.is_(None))
    if call.query.supplier is not None:
        query = query.where(Row.supplier_id == row_id(call.query.supplier))
    return list_page(call, query, [Row.id], _load, newest=False)


@operation("GET", "/feeds/<int:feed_id>", "Get a feed", scope="feeds:read", answers={200: Feed})
def get_feed(call: Call, feed_id: int) -> Feed:
    return _shown(suppliers.get_feed(feed_id))


@operation(
    "POST", "/feeds", "Add a feed to a supplier; its first run waits for an approval", scope="feeds:write", role="owner", body=NewFeed,
    answers={201: Feed},
)  # fmt: skip
def create_feed(call: Call) -> Reply:
    values = {"name": call.body.name, **_given(call.body, PLACE)}
    feed_id = suppliers.create_feed(row_id(call.body.supplier_id), call.actor, **values)
    return Reply(_shown(suppliers.get_feed(feed_id)), 201, {"Location": f"/api/v1/feeds/{feed_id}"})


@operation(
    "PATCH", "/feeds/<int:feed_id>", "Change a feed; where its file is, and its secret, only an owner changes", scope="feeds:write",
    role="manager", body=FeedChanges, answers={200: Feed}, conditional=True,
)  # fmt: skip
def change_feed(call: Call, feed_id: int) -> Feed:
    if _given(call.body, PLACE) and not call.holder.may("owner"):
        raise Problem(403, "role_insufficient", "Where the file is, and its secret, only a token of an owner changes.")
    return _change(feed_id, _given(call.body, SETTABLE), call.actor)


@operation(
    "DELETE", "/feeds/<int:feed_id>", "Remove a feed: fed stock items that no other feed offers become own", scope="feeds:write", role="owner",
    answers={204: None}, conditional=True,
)  # fmt: skip
def remove_feed(call: Call, feed_id: int) -> Reply:
    _remove(feed_id, call.actor)
    return Reply(None, 204)


@operation(
    "POST", "/feeds/<int:feed_id>/confirm-host-key", "Confirm the host key of an SFTP server", scope="feeds:write", role="owner", body=HostKey,
    answers={200: Feed},
)  # fmt: skip
def confirm_host_key(call: Call, feed_id: int) -> Feed:
    if suppliers.get_feed(feed_id).seen_host_key != call.body.host_key:
        raise Conflict("That is not the host key that the server has shown.", "Read the feed again.")
    suppliers.confirm_host_key(feed_id, call.body.host_key, call.actor)
    return _shown(suppliers.get_feed(feed_id))


@operation("POST", "/feeds/<int:feed_id>/fetch", "Fetch a feed now", scope="feeds:write", role="manager", answers={202: FeedRun})
def fetch_feed(call: Call, feed_id: int) -> Reply:
    run_id = runs.start(feed_id, call.actor)
    return Reply(one_run(run_id), 202, {"Location": f"/api/v1/feed-runs/{run_id}"}, after=lambda: enqueue(run_id))


@retry_on_deadlock
def _change(feed_id: int, values: dict[str, Any], actor: str) -> Feed:
    with one_transaction():
        matches(version_of(suppliers.get_feed(feed_id)))
        suppliers.change_feed(feed_id, actor, **values)
    return _shown(suppliers.get_feed(feed_id))


@retry_on_deadlock
def _remove(feed_id: int, actor: str) -> None:
    with one_transaction():
        matches(version_of(suppliers.get_feed(feed_id)))
        removal.remove_feed(feed_id, actor)


def _given(body: Body, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(body, name)) is not UNSET}


def version_of(row: Row) -> str:
    said = [str(getattr(row, name)) for name in (*feed_values.SETTABLE, "secret_last4", "host_key")]
    return hashlib.sha256(f"{row.id} {said}".encode()).hexdigest()[:16]


def _load(ids: Sequence[int]) -> dict[int, Feed]:
    rows = db.session.scalars(select(Row).where(Row.id.in_(ids)).options(joinedload(Row.supplier)))
    return {row.id: _shown(row) for row in rows}


def _shown(row: Row) -> Feed:
    same = {name: getattr(row, name) for name in SAME} | {"times": list(row.times or [])}
    return Feed(
        id=str(row.id), supplier_id=str(row.supplier_id), supplier=row.supplier.name, columns_assigned=row.columns is not None,
        zone_problem=zones.complaint_of(row.zone), version=version_of(row), **same,
    )  # fmt: skip
