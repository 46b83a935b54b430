"""Backup and restore of an installation on SQLite: the database and the keyring in one archive, because one without the other
is useless.

The copy is made by SQLite's own backup: a snapshot, taken while everything runs. An archive is believed only as far as it is
proven: its sums, the database's own check, its schema, and that its keyring opens what is encrypted in its database.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Select, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import make_url

from config import VERSION, current_config, read_keyring
from errors import Conflict, InvalidInput
from extensions import db
from models.types import utcnow
from services.common import installation
from services.events import log
from services.operations import schema
from services.security import keyring, vault

FORMAT = 1
DATABASE, KEYRING, MANIFEST = "cartlink.sqlite", "keyring", "manifest.json"
LARGEST_SMALL = 1024 * 1024
"""Bytes of keyring and manifest that are read at most."""
BACKED_UP_AT = "backed_up_at"
COUNTED = ("integration", "order", "stock_item", "user")


class Manifest(msgspec.Struct, frozen=True):
    """What an archive says of itself. Sums are SHA-256 in hexadecimal."""

    format: int
    version: str
    schema: str
    made_at: datetime
    bytes: int
    database: str
    keyring: str
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Restored:
    """``aside`` are the files that were replaced; ``upgrade`` says that the schema is older than this code's."""

    manifest: Manifest
    aside: tuple[Path, ...]
    upgrade: bool


def database_file() -> Path:
    """The SQLite file. Raises Conflict for another database, with the command that backs it up."""
    url = make_url(current_config().database_url)
    if url.get_backend_name() == "sqlite":
        return Path(url.database or "")
    place = url.set(drivername="postgresql", password=None).render_as_string()
    ring = current_config().secret_keys_file
    raise Conflict(
        "This is a PostgreSQL database, which has its own tools.",
        f"Run: pg_dump --format=custom --file=cartlink.dump '{place}' "
        + (f"&& cp -p {ring} cartlink.keyring" if ring else "and keep SECRET_KEYS with it")
        + ". Keep both together: one without the other is useless. pg_restore --clean --if-exists brings it back.",
    )


def create(target: Path) -> Manifest:
    """Write an archive, while everything runs. Raises Conflict if it cannot be made, InvalidInput for a file that is there."""
    source = database_file()
    if target.exists():
        raise InvalidInput(f"{target} is there already.", "Choose another name; a backup is never written over.")
    before = _own_keys()
    try:
        with _room_beside(target) as room:
            _room_for(room, 2 * source.stat().st_size)
            copy = room / DATABASE
            _snapshot(source, copy)
            # A key made meanwhile is in the ring of after, one retired meanwhile in that of before.
            keys = tuple(dict.fromkeys((*_own_keys(), *before)))
            _prove(copy, keys)
            manifest = _write_archive(room / "archive", copy, keys)
            # Never over another file, not even one that has just been made.
            os.link(room / "archive", target)
    except FileExistsError:
        raise InvalidInput(f"{target} is there already.", "Choose another name.") from None
    except OSError as cause:
        raise Conflict(
            f"{target} cannot be written: {cause.strerror}.", "Choose another place, or make its folder first."
        ) from None
    installation.change_setting(BACKED_UP_AT, utcnow().isoformat(), "backup")
    return manifest


def restore(archive: Path, running: Iterable[str]) -> Restored:
    """Put what is in an archive in the place of what is here; what was here is kept beside it.

    ``running`` names whatever of this installation is at work. Raises Conflict if something is, or where the archive cannot
    be used here; InvalidInput where it is no backup or damaged."""
    target, ring = database_file(), current_config().secret_keys_file
    at_work = list(running)
    if at_work:
        raise Conflict(f"Cartlink is running ({', '.join(at_work)}).", "Stop every part of it first, then restore.")
    try:
        with _room_beside(target) as room:
            manifest, keys = _read_archive(archive, room)
            _refuse_unusable(manifest, room / DATABASE, keys, bool(ring))
            restored = _put_in_place(manifest, room, target, Path(ring) if ring else None)
    except OSError as cause:
        raise Conflict(f"{cause.filename or target} cannot be read or written: {cause.strerror}.") from None
    if not restored.upgrade:
        note_restored()
    return restored


def note_restored() -> None:
    """What has to be done after the database was replaced by an older copy, by whatever means, once its schema is up to date."""
    log.skip_lost_positions()


def backed_up_at() -> datetime | None:
    """When a backup was last made with ``flask backup create``."""
    at = installation.read_setting(BACKED_UP_AT)
    return datetime.fromisoformat(at) if at else None


def _own_keys() -> tuple[str, ...]:
    ring = vault.keyring()
    ring.open()
    return ring.keys


@contextmanager
def _room_beside(target: Path) -> Iterator[Path]:
    """A folder of ours alone on the same disk, so that what is made in it can be moved into place at once."""
    room = Path(tempfile.mkdtemp(prefix=".cartlink-backup-", dir=target.absolute().parent))
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _room_for(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise Conflict(
            f"There is too little room in {folder.parent}: {free // 2**20} MB are free.", f"It needs {size // 2**20} MB."
        )


def _snapshot(source: Path, copy: Path) -> None:
    if not source.exists():
        raise Conflict(f"There is no database at {source}.", "Check DATABASE_URL.")
    copy.touch(mode=0o600)
    with closing(sqlite3.connect(source, timeout=15)) as one, closing(sqlite3.connect(copy)) as other:
        # In one step: other processes write to the write-ahead log meanwhile, which is not copied.
        one.backup(other, pages=-1)
        other.execute("PRAGMA journal_mode=DELETE").close()


def _prove(copy: Path, keys: tuple[str, ...]) -> None:
    """Raises Conflict if a copy is not sound, or its secrets cannot be opened."""
    try:
        ring = MultiFernet([Fernet(key) for key in keys])
        with closing(sqlite3.connect(copy)) as connection:
            if connection.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                raise Conflict("The database is damaged: SQLite's own check fails.", "Take an earlier backup.")
            for encrypted in _encrypted(connection):
                ring.decrypt(encrypted)
    except (InvalidToken, ValueError):
        raise Conflict(
            "The keyring does not open what is encrypted in the database.", "Find the keyring that was in use with it."
        ) from None
    except sqlite3.DatabaseError:
        raise Conflict("The database is damaged: SQLite cannot read it.", "Take an earlier backup.") from None


def _encrypted(connection: sqlite3.Connection) -> Iterator[bytes]:
    """Every secret that is stored, as far as this schema has such columns."""
    for table, column in keyring.encrypted_columns():
        if column.name in _columns(connection, table.name):
            yield from (row[0] for row in connection.execute(_in_sqlite(select(column).where(func.length(column) > 0))))


def _in_sqlite(query: Select[*tuple[Any, ...]]) -> str:
    """A query in SQLite's words, for a file that is not the application's database."""
    return str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def _revision(copy: Path) -> str:
    with closing(sqlite3.connect(copy)) as connection:
        if not _columns(connection, "alembic_version"):
            return ""
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return found[0] if found else ""


def _counts(copy: Path) -> dict[str, int]:
    with closing(sqlite3.connect(copy)) as connection:
        return {
            name: connection.execute(_in_sqlite(select(func.count()).select_from(db.metadata.tables[name]))).fetchone()[0]
            for name in COUNTED
            if _columns(connection, name)
        }


def _sum_of(file: Any) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _write_archive(place: Path, copy: Path, keys: tuple[str, ...]) -> Manifest:
    ring = "".join(f"{key}\n" for key in keys).encode()
    with copy.open("rb") as file:
        manifest = Manifest(
            FORMAT,
            VERSION,
            _revision(copy),
            datetime.now(UTC),
            copy.stat().st_size,
            _sum_of(file),
            _sum_of(io.BytesIO(ring)),
            _counts(copy),
        )
        place.touch(mode=0o600)
        file.seek(0)
        with tarfile.open(place, "w:gz", compresslevel=1) as tar:
            for name, content in ((MANIFEST, msgspec.json.encode(manifest)), (KEYRING, ring)):
                tar.addfile(_member(name, len(content)), io.BytesIO(content))
            tar.addfile(_member(DATABASE, manifest.bytes), file)
    with place.open("rb") as written:
        os.fsync(written.fileno())
    return manifest


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(utcnow().timestamp())
    return member


def _read_archive(archive: Path, room: Path) -> tuple[Manifest, tuple[str, ...]]:
    """Take the parts out of an archive, into files of our own making: what it calls them or wants of them is not asked."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            manifest = msgspec.json.decode(_small(tar, MANIFEST), type=Manifest)
            if manifest.format != FORMAT:
                raise Conflict(
                    f"This backup was made by Cartlink {manifest.version}.", "Restore it with that version, or a later one."
                )
            ring = _small(tar, KEYRING)
            copy = room / DATABASE
            copy.touch(mode=0o600)
            _room_for(room, manifest.bytes)
            with copy.open("wb") as file:
                _copy(_content(tar, DATABASE), file, manifest.bytes)
            (room / KEYRING).touch(mode=0o600)
            (room / KEYRING).write_bytes(ring)
    except FileNotFoundError:
        raise InvalidInput(f"There is no file {archive}.") from None
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, msgspec.MsgspecError, KeyError):
        raise InvalidInput(f"{archive} is no backup of Cartlink, or it is damaged.", "Take another one.") from None
    with copy.open("rb") as file:
        if (_sum_of(file), _sum_of(io.BytesIO(ring))) != (manifest.database, manifest.keyring):
            raise InvalidInput(f"{archive} is damaged: its sums do not agree.", "Take another one.")
    return manifest, read_keyring(str(room / KEYRING))


def _content(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    content = tar.extractfile(name) if tar.getmember(name).isreg() else None
    if content is None:
        raise KeyError(name)
    return content


def _small(tar: tarfile.TarFile, name: str) -> bytes:
    return _content(tar, name).read(LARGEST_SMALL)


def _copy(source: IO[bytes], target: IO[bytes], most: int) -> None:
    """So many bytes and no more, whatever an archive would unpack to."""
    while most and (piece := source.read(min(most, LARGEST_SMALL))):
        target.write(piece)
        most -= len(piece)


def _refuse_unusable(manifest: Manifest, copy: Path, keys: tuple[str, ...], own_file: bool) -> None:
    standing = schema.standing_of(_revision(copy))
    if standing.place not in (schema.SAME, schema.OLDER):
        raise Conflict(
            f"This backup was made by Cartlink {manifest.version}, whose schema {standing.revision or 'is not known'} "
            "this version does not know.",
            "Restore it with that version, or a later one.",
        )
    _prove(copy, keys)
    if not own_file:
        try:
            _prove(copy, current_config().secret_keys)
        except Conflict:
            raise Conflict(
                "SECRET_KEYS does not open what is encrypted in this backup.",
                "Set SECRET_KEYS_FILE to a place for the backup's keyring instead, and restore again.",
            ) from None


def _put_in_place(manifest: Manifest, room: Path, target: Path, ring: Path | None) -> Restored:
    db.session.remove()
    db.engine.dispose()
    _refuse_in_use(target)
    stamp = datetime.now(UTC).strftime("replaced-%Y%m%dT%H%M%S")
    aside = []
    leftovers = [target.with_name(target.name + suffix) for suffix in ("", "-wal", "-shm")]
    for old in (*leftovers, *([ring] if ring else [])):
        if old.exists():
            kept = old.with_name(f"{old.name}.{stamp}")
            old.rename(kept)
            aside.append(kept)
    if ring is not None:
        # The keyring may lie on another disk.
        ring.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=ring.parent, prefix=".keyring-", delete=False) as file:
            file.write((room / KEYRING).read_bytes())
        Path(file.name).replace(ring)
    (room / DATABASE).replace(target)
    return Restored(manifest, tuple(aside), schema.standing_of(_revision(target)).place == schema.OLDER)


def _refuse_in_use(target: Path) -> None:
    """Raises Conflict if another process has the database open: SQLite leaves its write-ahead log only when nobody else is
    there. It is left for good, so that what is put aside is one whole file."""
    if not target.exists():
        return
    try:
        with closing(sqlite3.connect(target, timeout=0.5, isolation_level=None)) as connection:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE").close()
            if connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0] != "delete":
                raise sqlite3.OperationalError("database is locked")
            connection.execute("BEGIN EXCLUSIVE").close()
            connection.execute("ROLLBACK").close()
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise Conflict("The database is in use.", "Stop every part of Cartlink first, then restore.") from None
    except sqlite3.DatabaseError:
        # What is there is no database any more: all the more reason to restore one.
        return
