"""What is wrong with an installation: its settings, its files, its database and its mail server.

Each look returns findings: ok, warn or bad, a sentence, and what to do. What the queue tells is in jobs/doctor.py.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from channels import mailer
from config import Config, current_config
from errors import AppError, ConfigError, NotDelivered
from extensions import db, reading
from models import Integration, SyncRun, User, captured, text_parts
from models.types import utcnow
from services.common import database_trouble
from services.common.text import plural
from services.notify import outbox
from services.operations import backup, metrics, schema
from services.security import keyring, vault
from services.stock import skus

OK, WARN, BAD = "ok", "warn", "bad"
LEAST_FREE = 256 * 2**20
LARGE_LOG = 512 * 2**20
SKEW = timedelta(seconds=2)
BAD_SKEW = timedelta(seconds=30)
OLD_BACKUP = timedelta(days=2)
WAITED_LONG = timedelta(minutes=15)
"""Past its due time (warn); four times that is bad."""


@dataclass(frozen=True, slots=True)
class Finding:
    level: str
    name: str
    sentence: str
    advice: str = ""


def good(name: str, sentence: str) -> Finding:
    return Finding(OK, name, sentence)


def warn(name: str, sentence: str, advice: str) -> Finding:
    return Finding(WARN, name, sentence, advice)


def bad(name: str, sentence: str, advice: str) -> Finding:
    return Finding(BAD, name, sentence, advice)


def look_at_settings() -> Iterator[Finding]:
    config = current_config()
    if len(config.secret_key) < 16:
        yield bad(
            "settings",
            "SECRET_KEY is short enough to be guessed.",
            "Set it to 32 random characters; everyone has to sign in again.",
        )
    else:
        yield good("settings", "All settings can be read.")
    yield _https(config)
    if "all" in config.allow_private_endpoints:
        yield warn(
            "end points",
            "ALLOW_PRIVATE_ENDPOINTS lets shops be at any private address.",
            "List the addresses that have to be, or none.",
        )
    else:
        allowed = ", ".join(config.allow_private_endpoints)
        yield good("end points", f"Private addresses that shops may be at: {allowed or 'none'}.")


def _https(config: Config) -> Finding:
    host = urlsplit(config.public_url).hostname or ""
    here = host in ("localhost", "127.0.0.1", "::1")
    if config.behind_https and not config.trusted_proxies:
        return bad(
            "https", "BEHIND_HTTPS is set and TRUSTED_PROXIES is 0: all requests have the proxy's address and share its limits.",
            "Set TRUSTED_PROXIES to the number of proxies in front.",
        )  # fmt: skip
    if config.behind_https and config.public_url.startswith("http://"):
        return bad("https", "PUBLIC_URL begins with http:// though BEHIND_HTTPS is set.", "Let it begin with https://.")
    if config.behind_https:
        return good("https", f"People come by https{f' to {host}' if host else ''}.")
    if not config.public_url:
        return warn("https", "PUBLIC_URL is not set, so one-time links lead nowhere.", "Set it to where people reach the pages.")
    if here:
        return good("https", "The pages are for this machine alone.")
    return bad(
        "https", f"People reach {host} without https: passwords and sessions are sent in the clear.",
        "Put an https proxy in front and set BEHIND_HTTPS, TRUSTED_PROXIES and PUBLIC_URL (docs/operating.md).",
    )  # fmt: skip


def look_at_files() -> Iterator[Finding]:
    config = current_config()
    if not config.instance.is_dir():
        yield warn("instance", f"There is no folder {config.instance}.", "Make it, for its owner alone (mode 0700).")
        return
    yield _open_files(config)
    yield _room(config.instance)


def _open_files(config: Config) -> Finding:
    secret = [config.instance / "settings.env", *([Path(config.secret_keys_file)] if config.secret_keys_file else [])]
    if config.database_url.startswith("sqlite:///"):
        secret.append(Path(config.database_url.removeprefix("sqlite:///")))
    for path in (config.instance, *secret):
        if not path.exists():
            continue
        found = path.stat()
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO) and (path != config.instance or found.st_mode & stat.S_IRWXO):
            mode = "700" if path.is_dir() else "600"
            if path.suffix == ".sqlite" and not _reachable(path.parent):
                continue
            return bad("files", f"Others than its owner may use {path}.", f"Run: chmod {mode} {path}")
    if not os.access(config.instance, os.W_OK):
        return bad("files", f"{config.instance} cannot be written by this user.", "Run everything as the user who owns it.")
    return good("files", f"What is secret in {config.instance} is its owner's alone.")


def _reachable(folder: Path) -> bool:
    """Whether others get into a folder at all."""
    return bool(folder.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH))


def _room(folder: Path) -> Finding:
    usage = shutil.disk_usage(folder)
    sentence = f"{usage.free / 2**30:.1f} GB are free where {folder} is."
    if usage.free < LEAST_FREE:
        return bad("disk", sentence, "Make room: a full disk stops everything.")
    if usage.free < usage.total * 0.05:
        return warn("disk", sentence, "Make room soon; less than a twentieth is free.")
    return good("disk", sentence)


def look_at_database() -> Iterator[Finding]:
    """One finding if the database does not answer, or if its tables are not those of this version."""
    try:
        with reading() as session:
            session.execute(text("SELECT 1"))
            yield from _look_at_tables()
    except SQLAlchemyError as error:
        trouble = database_trouble.named(error) if isinstance(error, DBAPIError) else None
        if trouble is not None and trouble.message == database_trouble.DAMAGED:
            yield bad("damage", trouble.message, trouble.advice)
            return
        why = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0][:150]
        yield bad("database", f"The database does not answer: {why}.", "Start it, or check DATABASE_URL.")


def _look_at_tables() -> Iterator[Finding]:
    standing = schema.standing()
    yield _kind_of_database()
    yield from _damage()
    if standing.place != schema.SAME:
        yield bad("schema", standing.sentence, standing.advice)
        return
    yield good("schema", f"The database is at schema {standing.revision}, which this version of Cartlink needs.")
    yield from _write_ahead_log()
    yield _clock()
    yield _captures()
    yield _search_index()
    yield _keyring()
    yield _people()
    yield look_at_backup()
    yield _plain_http()
    yield _oldest_due()
    yield _stuck_runs()
    yield _spellings()


def _is_sqlite() -> bool:
    return db.engine.dialect.name == "sqlite"


def _kind_of_database() -> Finding:
    if _is_sqlite():
        return good("database", f"SQLite {sqlite3.sqlite_version} answers; it serves one machine.")
    version = db.session.scalar(text("SHOW server_version"))
    if db.session.scalar(text("SHOW fsync")) != "on":
        return warn(
            "database", f"PostgreSQL {version} answers; its fsync is off.", "Set fsync = on: a power cut loses data otherwise."
        )
    return good("database", f"PostgreSQL {version} answers.")


def _damage() -> Iterator[Finding]:
    """SQLite's own check of its file, without the indexes' content: seconds for a gigabyte."""
    if not _is_sqlite():
        return
    found = database_trouble.damage()
    if found:
        yield bad("damage", f"{database_trouble.DAMAGED} SQLite says: {found}.", database_trouble.RESTORE)
    else:
        yield good("damage", "SQLite finds no damage in the database file.")


def _write_ahead_log() -> Iterator[Finding]:
    if not _is_sqlite():
        return
    mode = db.session.scalar(text("PRAGMA journal_mode"))
    if mode != "wal":
        yield bad("write-ahead log", f"SQLite keeps no write-ahead log (it says {mode}).", "Put the database on a local disk.")
        return
    log = Path(f"{current_config().database_url.removeprefix('sqlite:///')}-wal")
    size = log.stat().st_size if log.exists() else 0
    if size > LARGE_LOG:
        yield warn(
            "write-ahead log", f"The write-ahead log has grown to {size // 2**20} MB: something has been reading for very long.",
            "Restart all parts, one after the other.",
        )  # fmt: skip
    else:
        yield good("write-ahead log", f"The write-ahead log is in use and has {size / 2**20:.1f} MB.")


def _clock() -> Finding:
    if _is_sqlite():
        return good("clock", "The database goes by this machine's clock.")
    before = utcnow()
    theirs = cast(datetime, db.session.scalar(select(func.clock_timestamp())))
    return skew_finding("database", theirs - before - (utcnow() - before) / 2)


def skew_finding(whose: str, skew: timedelta) -> Finding:
    """``skew`` is how far the other clock is ahead of this machine's."""
    seconds = skew.total_seconds()
    sentence = f"The {whose}'s clock is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} this machine's."
    if abs(skew) > BAD_SKEW:
        return bad("clock", sentence, "Switch on NTP on both; leases and schedules go by the clock.")
    if abs(skew) > SKEW:
        return warn("clock", sentence, "Look whether NTP runs on both.")
    return good("clock", f"The {whose}'s clock agrees with this machine's.")


def _keyring() -> Finding:
    try:
        count = keyring.check_all()
    except ConfigError as trouble:
        return bad("keyring", trouble.message, trouble.advice)
    keys = plural(len(vault.keyring().keys), "key")
    return good("keyring", f"All {count} stored secrets can be read; the keyring has {keys}.")


def _people() -> Finding:
    owners = db.session.scalar(
        select(func.count()).where(User.role == "owner", User.disabled_at.is_(None), func.length(User.password_hash) > 0)
    )
    if not owners:
        return warn("users", "There is no owner who can sign in.", "Run `flask --app app users create NAME --role owner`.")
    return good("users", f"{owners} owner{'s' if owners > 1 else ''} can sign in.")


def look_at_backup() -> Finding:
    if not _is_sqlite():
        return good("backup", "PostgreSQL's backups are its own tools' matter; keep the keyring with them.")
    at = backup.backed_up_at()
    if at is None:
        return warn("backup", "There has been no backup yet.", "Run `flask --app app backup create FILE` every night.")
    age = utcnow() - at
    sentence = f"The last backup was made {_ago(age)} ago."
    if age > OLD_BACKUP:
        return warn("backup", sentence, "Run `flask --app app backup create FILE` every night.")
    return good("backup", sentence)


def _plain_http() -> Finding:
    plain = select(Integration.endpoint).where(Integration.removed_at.is_(None), Integration.endpoint.startswith("http://"))
    count = sum(
        1 for endpoint in db.session.scalars(plain) if urlsplit(endpoint).hostname not in ("127.0.0.1", "localhost", "::1")
    )
    if count:
        sentence = f"{count} integration{'s' if count > 1 else ''} reach{'es' if count == 1 else ''} the shop without https."
        return warn("shops", sentence, "Their API keys are sent in the clear; use the shop's https address.")
    return good("shops", "No API key is sent in the clear.")


def _oldest_due() -> Finding:
    due = metrics.oldest_due()
    if not due:
        return good("due", "Nothing is due that has not been started.")
    kind, since = min(due.items(), key=lambda each: each[1])
    late = utcnow() - since
    sentence = f"The longest waiting integration has been due for its {kind} for {_ago(late)}."
    if late > 4 * WAITED_LONG:
        return bad("due", sentence, "Look whether scheduler and workers run (the lines below), or start more workers.")
    if late > WAITED_LONG:
        return warn("due", sentence, "Start more workers, if this lasts.")
    return good("due", sentence)


def _stuck_runs() -> Finding:
    now = utcnow()
    term = timedelta(seconds=current_config().lease_seconds)
    dead = db.session.scalar(select(func.count()).where(SyncRun.state == "running", SyncRun.lease_until < now - term))
    waiting = db.session.scalar(
        select(func.count()).where(
            SyncRun.state == "queued", SyncRun.created_at < now - WAITED_LONG, func.coalesce(SyncRun.not_before, now) <= now
        )
    )
    if dead:
        return bad(
            "runs", f"{dead} runs have lost their worker and were not released.", "Start the scheduler and the worker of ticks."
        )
    if waiting:
        return warn(
            "runs", f"{waiting} runs have been waiting for more than {_ago(WAITED_LONG)}.", "Start more workers, if this lasts."
        )
    return good("runs", "No run is stuck.")


def _captures() -> Finding:
    """Triggers can be lost where tables are restored or copied without them. Changes then become no events, and no program notices."""
    wrong = captured.faults(db.session.connection())
    if wrong:
        named = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        return bad(
            "events", f"Triggers that capture changes for events are missing or changed: {named}.", "Run `flask db upgrade`."
        )
    return good("events", "The triggers that capture changes for events are in place.")


def _search_index() -> Finding:
    """It can be lost as the triggers can. Stock items and listings are found wrongly then, or not at all."""
    if not text_parts.in_place(db.session.connection()):
        return bad(
            "search", "The index that stock items and listings are searched by is missing or changed.", "Run `flask db upgrade`."
        )
    return good("search", "Stock items and listings can be searched.")


def _spellings() -> Finding:
    alike = skus.alike()
    if alike:
        named = "; ".join(" and ".join(each) for each in alike[:5]) + (f"; and {len(alike) - 5} more" if len(alike) > 5 else "")
        return warn(
            "SKUs", f"Stock items whose SKUs differ only in spelling: {named}.",
            "Link every listing to the one you use and set the other to 0. Any other spelling of them holds its orders.",
        )  # fmt: skip
    return good("SKUs", "No two stock items differ only in the spelling of their SKU.")


def look_at_mail() -> Iterator[Finding]:
    if not current_config().smtp_host:
        yield warn("mail", "There is no mail server, so nobody is mailed about incidents.", "Set SMTP_HOST and SMTP_FROM.")
        return
    try:
        mailer.greet(outbox.mail_server())
    except NotDelivered as trouble:
        yield bad("mail", trouble.message, "Check SMTP_HOST, SMTP_PORT and SMTP_SECURITY, and the server's own log.")
    except AppError as trouble:
        yield bad("mail", trouble.message, trouble.advice)
    else:
        yield good("mail", f"{current_config().smtp_host} takes our mail.")


def _ago(time: timedelta) -> str:
    seconds = int(time.total_seconds())
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"


def since_epoch(seconds: int, microseconds: int) -> datetime:
    """A time as the queue tells it."""
    return datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)
