"""The keyring and what is encrypted with it: whether they belong together, and new keys for old."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from flask import Flask
from sqlalchemy import Column, Table, func, select, update
from sqlalchemy.exc import DBAPIError

from errors import ConfigError
from extensions import db, reading, writing
from services.security import audit, vault
from services.security.audit import CHANGED, About, record_change

ROTATED = audit.kind("installation.keys_rotated", "Keyring renewed")
RETIRED = audit.kind("installation.keys_retired", "Old keys removed from the keyring")
BATCH = 100
WRONG = (
    "The keyring does not belong to this database: stored secrets cannot be read with it.",
    "Restore the keyring that was in use with this database; without it every API key has to be entered again.",
)


def check_at_start(app: Flask) -> None:
    """Refuse to start with a keyring that opens nothing of what is stored. Raises ConfigError.

    One secret of each kind is tried, the newest. A database that is away or has no tables yet is no matter of the keyring."""
    with app.app_context():
        try:
            for table, column in encrypted_columns():
                newest = select(column).where(*_filled(column)).order_by(table.c.id.desc()).limit(1)
                _check(db.session.scalar(newest))
        except DBAPIError:
            return
        finally:
            db.session.remove()
            db.engine.dispose()


def check_all() -> int:
    """Open every stored secret; answers with their number. Raises ConfigError where one cannot be opened."""
    count = 0
    for table, column in encrypted_columns():
        for batch in _batches(table, column):
            for _, encrypted in batch:
                _check(encrypted)
                count += 1
    return count


def rotate() -> int:
    """A new key first in the keyring file, and all secrets encrypted again with it; answers with their number.

    The old keys stay in the ring, for backups and for what was being written meanwhile. Where the keys are in the
    environment, no key is made: what is first there is what everything is encrypted with."""
    ring = vault.keyring()
    check_all()
    if ring.file:
        ring.open()
        _write(ring.file, (Fernet.generate_key().decode(), *ring.keys))
    count = encrypt_again()
    with writing():
        record_change(ROTATED, About(subject="Keyring"), {"key": CHANGED})
    return count


def retire() -> int:
    """Encrypt everything with the first key and take all others out of the keyring file; answers with how many were taken out.

    Backups of before cannot be read with it any more. Raises ConfigError where the keys are not in a file."""
    file, ring = check_retiring(), vault.keyring()
    encrypt_again()
    only = MultiFernet([Fernet(ring.keys[0])])
    for table, column in encrypted_columns():
        for batch in _batches(table, column):
            for _, encrypted in batch:
                _check(encrypted, only)
    old = len(ring.keys) - 1
    _write(file, ring.keys[:1])
    with writing():
        record_change(RETIRED, About(subject="Keyring"), {"old_keys": (old, 0)})
    return old


def check_retiring() -> str:
    """The keyring file. Raises ConfigError where the keys are not in a file."""
    file = vault.keyring().file
    if not file:
        raise ConfigError(
            "The keys are in the environment.", "Take the old ones out of SECRET_KEYS yourself, after `flask keys rotate`."
        )
    return file


def encrypt_again() -> int:
    """Every secret encrypted with the first key of the ring; answers with their number. Raises ConfigError."""
    ring = vault.keyring().open()
    count = 0
    for table, column in encrypted_columns():
        for batch in _batches(table, column):
            with writing() as session:
                for row_id, encrypted in batch:
                    try:
                        renewed = ring.rotate(encrypted)
                    except InvalidToken:
                        raise ConfigError(*WRONG) from None
                    # What somebody has changed since it was read is encrypted with the new key already.
                    session.execute(update(table).where(table.c.id == row_id, column == encrypted).values({column: renewed}))
                    count += 1
    return count


def encrypted_columns() -> Iterator[tuple[Table, Column[Any]]]:
    """Every column that holds ciphertext of ours, by its name."""
    for table in db.metadata.sorted_tables:
        for column in table.columns:
            if column.name.endswith("_encrypted"):
                yield table, column


def _batches(table: Table, column: Column[Any]) -> Iterator[list[tuple[int, bytes]]]:
    after = 0
    query = select(table.c.id, column).where(*_filled(column)).order_by(table.c.id).limit(BATCH)
    while True:
        with reading() as session:
            batch = [(row_id, encrypted) for row_id, encrypted in session.execute(query.where(table.c.id > after))]
        if not batch:
            return
        yield batch
        after = batch[-1][0]


def _filled(column: Column[Any]) -> tuple[Any, ...]:
    return column.is_not(None), func.length(column) > 0


def _check(encrypted: bytes | None, ring: MultiFernet | None = None) -> None:
    if not encrypted:
        return
    try:
        (ring or vault.keyring().open()).decrypt(encrypted)
    except InvalidToken:
        raise ConfigError(*WRONG) from None


def _write(path: str, keys: tuple[str, ...]) -> None:
    """The new file, whole or not at all, for its owner only. Raises ConfigError."""
    place = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{place.name}-", dir=place.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("".join(f"{key}\n" for key in keys))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(place)
    except OSError as cause:
        raise ConfigError(f"The keyring {path} cannot be written: {cause.strerror}.") from None
    vault.keyring().open()
