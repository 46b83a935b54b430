"""The support bundle: what somebody who helps has to know of an installation, and nothing that is a secret or somebody's name.

It is made of chosen columns, never of whole rows; integrations are numbers, users are just users. Whatever text of ours or of a
shop goes in is searched once more for every secret that is stored, and for mail addresses.
"""

from __future__ import annotations

import io
import os
import platform
import re
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import func, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

import logs
from config import ROOT, VERSION, current_config
from errors import ConfigError, Conflict, InvalidInput
from extensions import db, reading
from models import Flow, Incident, Integration, RunItem, SyncRun
from models.types import utcnow
from services.operations import schema
from services.runs.queries import TROUBLE
from services.security import keyring, vault

RUNS = 500
REASONS = 100
TAIL = 256 * 1024
"""Bytes of a log's end."""
MAIL = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)++")
"""Begins at the beginning of a word only and never goes back, so the time grows with the length of the text, not its square."""
URLS = ("database_url", "redis_url")
KEPT_QUIET = ("smtp_user", "smtp_from", "public_url")
"""Settings that are no secrets and yet somebody's names."""


def write_bundle(target: Path, more: Mapping[str, str], log_files: Iterable[Path] = ()) -> int:
    """Write the bundle, a zip that only its owner may read; returns its size in bytes. ``more`` are further texts by their
    file names. Raises InvalidInput for a file that is there, or a log that cannot be read."""
    secrets = _secrets()
    texts = {**dict(_texts()), **more, **dict(_logs(log_files))}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in texts.items():
            bundle.writestr(name, masked(text, secrets))
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InvalidInput(f"{target} is there already.", "Choose another name.") from None
    except OSError as cause:
        raise Conflict(
            f"{target} cannot be written: {cause.strerror}.", "Choose another place, or make its folder first."
        ) from None
    with os.fdopen(handle, "wb") as file:
        return file.write(content.getvalue())


def masked(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, logs.HIDDEN)
    return MAIL.sub("<mail address>", logs.scrub(text))


def _secrets() -> list[str]:
    """Every secret, decrypted, the longest first. A secret that cannot be decrypted cannot leak either."""
    found = set(current_config().secrets())
    try:
        with reading() as session:
            for _, column in keyring.encrypted_columns():
                for encrypted in session.scalars(select(column).where(column.is_not(None), func.length(column) > 0)):
                    with suppress(ConfigError):
                        found |= set(_strings(vault.decrypt(encrypted)))
    except SQLAlchemyError:
        return sorted(found, key=len, reverse=True)
    return sorted((secret for secret in found if len(secret) >= logs.SHORTEST_SECRET), key=len, reverse=True)


def _strings(secret: str) -> Iterator[str]:
    """The secret, and of one that is an object (a draft's answers) all that was typed."""
    yield secret
    try:
        parts = msgspec.json.decode(secret)
    except msgspec.DecodeError:
        return
    if isinstance(parts, dict):
        yield from (value for name, value in parts.items() if isinstance(value, str) and "key" in name)


def _texts() -> Iterator[tuple[str, str]]:
    yield "about.txt", _about()
    yield "settings.txt", _settings()
    try:
        with reading():
            yield "schema.txt", "\n".join(_schema())
            yield "counts.txt", "\n".join(_counts())
            yield "integrations.jsonl", _lines(_integrations())
            yield "flows.jsonl", _lines(_flows())
            yield "runs.jsonl", _lines(_runs())
            yield "rows-that-went-wrong.jsonl", _lines(_reasons())
            yield "incidents.jsonl", _lines(_incidents())
    except SQLAlchemyError as error:
        yield "database.txt", f"The database does not answer, or not as it should: {type(error).__name__}: {error}\n"


def _about() -> str:
    packages = sorted(f"{each.name} {each.version}" for each in metadata.distributions())
    about = [
        f"Cartlink {VERSION}, made {utcnow():%Y-%m-%d %H:%M:%S} UTC",
        f"Python {sys.version}",
        f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} processors",
        f"code needs schema {schema.head()}",
        "",
        *packages,
    ]
    return "\n".join(about) + "\n"


def _settings() -> str:
    config = current_config()
    lines = []
    for each in fields(config):
        value: Any = getattr(config, each.name)
        if each.name in URLS and value:
            value = _place(value)
        elif not each.repr or each.name in KEPT_QUIET:
            value = "(set)" if value else "(not set)"
        lines.append(f"{each.name} = {value}".replace(str(config.instance), "<instance>").replace(str(ROOT), "<code>"))
    return "\n".join(lines) + "\n"


def _place(url: str) -> str:
    """What kind of server, where; without who signs in there."""
    parts = make_url(url)
    return parts.set(username=None, password=None, query={}).render_as_string()


def _schema() -> Iterator[str]:
    standing = schema.standing()
    yield f"database at {standing.revision or 'nothing'}, code at {standing.head}: {standing.place}"
    looked, indexes = inspect(db.engine), _indexes()
    for table in sorted(looked.get_table_names()):
        yield f"\n{table}"
        yield from (f"    {column['name']} {column['type']}" for column in looked.get_columns(table))
        yield from (f"    {' '.join(definition.split())}" for definition in indexes[table])


def _indexes() -> defaultdict[str, list[str]]:
    """The definitions of the indexes by table, as the database has them: SQLAlchemy cannot read one of an expression from SQLite, leaves it
    out and warns."""
    query = "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = current_schema() ORDER BY indexname"
    if db.engine.dialect.name == "sqlite":
        query = "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
    found: defaultdict[str, list[str]] = defaultdict(list)
    for table, definition in db.session.execute(text(query)):
        found[table].append(definition)
    return found


def _counts() -> Iterator[str]:
    for table in db.metadata.sorted_tables:
        yield f"{table.name} {db.session.scalar(select(func.count()).select_from(table))}"


def _rows(query: Any) -> Iterator[dict[str, Any]]:
    for row in db.session.execute(query).mappings():
        yield {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


def _integrations() -> Iterator[dict[str, Any]]:
    one = Integration
    names = (
        "id", "shop_id", "kind", "generation", "enabled", "created_at", "removed_at", "use_tax", "use_shipping_tax", "with_variants",
        "with_options", "with_discounts", "with_tax_lines", "with_notes", "with_back_orders", "take_shop_stock",
        "push_gate", "waiting_run_id", "approved_run_id", "health", "health_message", "health_since", "writes_refused",
    )  # fmt: skip
    yield from _rows(select(*(getattr(one, name) for name in names)).order_by(one.id.desc()).limit(RUNS))


def _flows() -> Iterator[dict[str, Any]]:
    newest = select(Integration.id).order_by(Integration.id.desc()).limit(RUNS)
    yield from _rows(select(*Flow.__table__.c).where(Flow.integration_id.in_(newest)).order_by(Flow.integration_id, Flow.id))


def _runs() -> Iterator[dict[str, Any]]:
    """The latest, and of the rest the latest that failed."""
    run = SyncRun
    columns = (
        run.id, run.integration_id, run.kind, run.state, run.outcome, run.actor, run.created_at, run.started_at, run.finished_at,
        run.not_before, run.enqueues, run.lease_until, run.done, run.total, run.counts, run.requests, run.error_code, run.error,
    )  # fmt: skip
    seen = set()
    for query in (select(*columns), select(*columns).where(run.error_code != "")):
        for row in _rows(query.order_by(run.id.desc()).limit(RUNS)):
            if row["id"] not in seen:
                seen.add(row["id"])
                kind, _, who = row["actor"].partition(":")
                yield {**row, "actor": row["actor"] if kind in ("run", "file") else kind if who else row["actor"]}


def _reasons() -> Iterator[dict[str, Any]]:
    """Why single rows went wrong in the latest runs, and how often; not which."""
    latest = select(SyncRun.id).order_by(SyncRun.id.desc()).limit(RUNS).scalar_subquery()
    query = (
        select(RunItem.result, RunItem.reason, func.count().label("count"))
        .where(RunItem.run_id.in_(latest), RunItem.result.in_(TROUBLE))
        .group_by(RunItem.result, RunItem.reason)
        .order_by(func.count().desc())
        .limit(REASONS)
    )
    yield from _rows(query)


def _incidents() -> Iterator[dict[str, Any]]:
    one = Incident
    columns = (
        one.id,
        one.integration_id,
        one.event_endpoint_id,
        one.cause,
        one.since,
        one.opened_at,
        one.resolved_at,
        one.resolution,
        one.reopened,
    )
    yield from _rows(select(*columns).order_by(one.id.desc()).limit(RUNS))


def _lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(msgspec.json.encode(row).decode() + "\n" for row in rows)


def _logs(given: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """The ends of the log of commands, and of the files that were named."""
    own = current_config().instance / "errors.log"
    for number, path in enumerate((own, *given)):
        try:
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - TAIL))
                yield f"log-{number}.txt", file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            if number:
                raise InvalidInput(f"There is no file {path}.") from None
        except OSError as cause:
            raise InvalidInput(f"{path} cannot be read: {cause.strerror}.") from None
