"""Secrets at rest: Fernet ciphertext under a keyring, newest key first, so that keys can be rotated.

Columns that hold such ciphertext are called ``*_encrypted``; services/security/keyring.py finds them by that. A keyring file that has
changed is read again at its next use, so that a rotation needs no restart.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from flask import Flask, current_app

import logs
from config import Config, read_keyring
from errors import ConfigError

LONGEST_KEY = 200
"""Characters; what is longer is a draft, whose key is encrypted alone as soon as it is used."""


class Keyring:
    """The keys of one installation. Raises ConfigError where one is not a Fernet key."""

    def __init__(self, config: Config):
        self.file = config.secret_keys_file
        self.keys = config.secret_keys
        self.ring = self._made(config.secret_keys)
        self._stamp = self._look()

    def open(self) -> MultiFernet:
        """The ring as it is now. A file that cannot be read (any more) leaves it as it was."""
        stamp = self._look()
        if stamp is not None and stamp != self._stamp:
            try:
                keys = read_keyring(self.file)
                ring = self._made(keys)
            except ConfigError:
                return self.ring
            self.keys, self.ring, self._stamp = keys, ring, stamp
        return self.ring

    def _look(self) -> tuple[int, int] | None:
        try:
            found = Path(self.file).stat() if self.file else None
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_ino) if found else None

    @staticmethod
    def _made(keys: tuple[str, ...]) -> MultiFernet:
        try:
            return MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise ConfigError(
                "A key in the keyring is not a Fernet key (32 bytes, url-safe base64).", "Restore the keyring from your backup."
            ) from None


def init_app(app: Flask, config: Config) -> None:
    """Raises ConfigError where a key of the ring is not a Fernet key."""
    app.extensions["cartlink.keyring"] = Keyring(config)


def encrypt(secret: str) -> bytes:
    return keyring().open().encrypt(secret.encode("utf-8"))


def decrypt(encrypted: bytes) -> str:
    """Raises ConfigError where no key of the ring opens it."""
    try:
        secret = keyring().open().decrypt(encrypted).decode("utf-8")
    except InvalidToken:
        raise ConfigError(
            "A stored secret cannot be read with this keyring.", "Restore the keyring that belongs to this database."
        ) from None
    if len(secret) <= LONGEST_KEY:
        logs.hide(secret)
    return secret


def last4(secret: str) -> str:
    """What may be shown of a secret: its last four characters, or nothing of a private key and of one so short that four would give it away."""
    return secret[-4:] if len(secret) >= 12 and "\n" not in secret else ""


def keyring() -> Keyring:
    ring: Keyring = current_app.extensions["cartlink.keyring"]
    return ring
