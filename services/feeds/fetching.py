"""The file of a run: fetched, looked at, compared with the stored offers and held to the safety limits. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from channels import remote_files
from channels.remote_files import Fetched, Place, Seen, Unchanged
from errors import InvalidInput, LeaseLost, StopRequested
from extensions import db, reading, writing
from models import Feed, FeedRun
from models.types import utcnow
from services.common.channel_limits import file_limits
from services.common.claims import Claim
from services.feeds import applying, limits, suppliers
from services.feeds import reading as file_reading
from services.feeds.comparing import Comparison, Wanted

FUTURE = timedelta(seconds=5)
"""How far ahead of ours a server's clock may be and still be believed."""
OLDEST = timedelta(days=366)
"""Files that say they are older have a time that means nothing, as those of archives and copies have."""
NUMBERS = ("rows", "changed", "zeroed", "unknown", "unreadable", "missing")
"""What a comparison counts and a run keeps."""


class FileHasNoRows(InvalidInput):
    code = "empty"


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a feed when its fetch begins."""

    feed_id: int
    place: Place
    seen: Seen | None
    columns: dict[str, Any] | None
    sheet: str
    wanted: Wanted
    limits: limits.Limits
    digest: str
    dropped: str
    read_at: datetime | None


def place_of(feed: Feed) -> Place:
    """Where a feed's file is, with its secret. Raises ConfigError."""
    return Place(
        feed.method, feed.address, feed.path, feed.auth, feed.user, feed.parameter, suppliers.secret_of(feed), feed.host_key
    )  # fmt: skip


def fetch_and_compare(claim: Claim, stopping: Callable[[], bool]) -> bool:
    """Fetch a run's file and stage what differs. True if it may be applied at once; else the run has ended, or waits for a person. Raises
    RemoteFileError, InvalidInput, LeaseLost or StopRequested: nothing has changed then."""
    with reading():
        known = _known(claim.row_id)
    got = remote_files.fetch(known.place, known.seen, file_limits(), gate=lambda: _check(claim, stopping))
    if isinstance(got, Unchanged):
        applying.confirm_unchanged(claim, None)
        return False
    with got:
        return _compare(claim, known, got, stopping)


def _compare(claim: Claim, known: _Known, got: Fetched, stopping: Callable[[], bool]) -> bool:
    seen_at = credible(got.modified, got.began)
    if known.digest and got.digest == known.digest:
        newer = (
            got.modified is not None
            and is_credible(got.modified, got.began)
            and (known.read_at is None or seen_at > known.read_at)
        )
        applying.confirm_unchanged(claim, seen_at if newer else None, **_of_file(got))
        return False
    if got.digest == known.dropped:
        with writing():
            said = {"code": "dropped", "sentence": "A person has dropped this file before."}
            claim.end(state="dropped", finished_at=utcnow(), problems=[said])
        return False
    opened = file_reading.open_file(got.content, known.columns, known.sheet)

    def hold() -> None:
        if stopping():
            raise StopRequested("The worker stops.")
        claim.hold()

    counts = Comparison(known.wanted, opened, hold).compare()
    if not counts.rows and not known.wanted.delta:
        raise FileHasNoRows("The file has headings and no rows.", "Nothing was changed. Ask the supplier for the file.")
    found = limits.problems(counts, known.limits)
    numbers = {name: getattr(counts, name) for name in NUMBERS}
    _note(claim, known.feed_id, opened, {**numbers, **_of_file(got), "seen_at": seen_at, "problems": found})
    return not found


def _note(claim: Claim, feed_id: int, opened: file_reading.Opened, values: dict[str, Any]) -> None:
    """Keep what was found. With problems the run waits for a person from here on."""
    with writing() as session:
        claim.hold(**values)
        feed = session.get_one(Feed, feed_id, with_for_update=True, populate_existing=True)
        feed.headings, feed.sample = opened.looked.headings, opened.looked.sample
        feed.columns = opened.columns if feed.columns is None else feed.columns
        if values["problems"]:
            # The file came and could be read, so the feed does not fail: a person has to look at it.
            for name, value in applying.HEARD.items():
                setattr(feed, name, value)
            session.flush()
            claim.end(state="waiting")


def _known(run_id: int) -> _Known:
    feed = db.session.execute(select(Feed).join(FeedRun).where(FeedRun.id == run_id)).scalar_one()
    mtime = None if feed.file_modified_at is None else int(feed.file_modified_at.timestamp())
    seen = Seen(feed.etag, feed.last_modified, feed.file_name, feed.file_size, mtime) if feed.digest else None
    return _Known(
        feed.id, place_of(feed), seen, feed.columns, feed.sheet,
        Wanted(feed.id, run_id, feed.delta, feed.missing, feed.missing_after),
        limits.Limits(
            feed.zero_percent, feed.rows_percent, feed.unreadable_percent, None if feed.delta else feed.rows, feed.approved_at is not None
        ),
        feed.digest, _dropped(feed), feed.read_at,
    )  # fmt: skip


def _dropped(feed: Feed) -> str:
    """The digest of the file that a person has dropped, until another one is applied or the feed is changed."""
    run = db.session.scalars(
        select(FeedRun)
        .where(FeedRun.feed_id == feed.id, (FeedRun.state == "done") | ((FeedRun.state == "dropped") & FeedRun.decided_at.is_not(None)))
        .order_by(FeedRun.id.desc()).limit(1)
    ).first()  # fmt: skip
    decided = run is not None and run.state == "dropped" and run.decided_at is not None and run.decided_at > feed.changed_at
    return run.digest if run is not None and decided else ""


def credible(modified: datetime | None, began: datetime) -> datetime:
    """When a file's offers were seen: the file's own time if it can be right, else when its fetch began."""
    return min(modified, began) if modified is not None and is_credible(modified, began) else began


def is_credible(modified: datetime, began: datetime) -> bool:
    """Whether the time that a server says of a file can be right."""
    return began - OLDEST <= modified <= began + FUTURE


def _of_file(got: Fetched) -> dict[str, Any]:
    return {
        "etag": got.seen.etag[:300], "last_modified": got.seen.last_modified[:100], "file_name": (got.seen.name or got.name)[:300],
        "file_size": got.size if got.seen.size is None else got.seen.size, "file_modified_at": got.modified, "digest": got.digest,
    }  # fmt: skip


def _check(claim: Claim, stopping: Callable[[], bool]) -> None:
    """The gate of a fetch. Raises StopRequested or LeaseLost."""
    if stopping():
        raise StopRequested("The worker stops.")
    with reading() as session:
        if session.scalar(select(FeedRun.token).where(FeedRun.id == claim.row_id)) != claim.token:
            raise LeaseLost("Another worker has taken this over.")
