"""Secrets at rest: Fernet ciphertext under a keyring, newest key first, so that keys can be rotated."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from flask import Flask, current_app

from config import Config
from errors import ConfigError


def init_app(app: Flask, config: Config) -> None:
    """Raises ConfigError where a key of the ring is not a Fernet key."""
    try:
        app.extensions["cartlink.keyring"] = MultiFernet([Fernet(key) for key in config.secret_keys])
    except ValueError:
        raise ConfigError(
            "A key in the keyring is not a Fernet key (32 bytes, url-safe base64).", "Restore the keyring from your backup."
        ) from None


def seal(secret: str) -> bytes:
    return _keyring().encrypt(secret.encode("utf-8"))


def unseal(sealed: bytes) -> str:
    """Raises ConfigError where no key of the ring opens it."""
    try:
        return _keyring().decrypt(sealed).decode("utf-8")
    except InvalidToken:
        raise ConfigError(
            "A stored API key cannot be read with this keyring.", "Restore the keyring that belongs to this database."
        ) from None


def _keyring() -> MultiFernet:
    return current_app.extensions["cartlink.keyring"]
