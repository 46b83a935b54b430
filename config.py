"""Every setting, read once from the environment, with its type. An invalid value stops the start with one sentence.

``instance/settings.env`` (written by ``make run``) has defaults as KEY=VALUE lines, so that web, workers and commands in
another shell use the same; the environment overrides it. README.md describes every variable; a test compares the two.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import urlsplit

from flask import current_app

from errors import ConfigError

VERSION = "0.9.0"
"""Cartlink's version, defined here only. Pages, commands, metrics and requests to shops show it."""

ROOT = Path(__file__).resolve().parent
SHORTEST_TOKEN = 16
NO_KEY = "A" * 43 + "="
"""A Fernet key that has encrypted nothing."""


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. Times in seconds unless the name says otherwise."""

    instance: Path
    secret_key: str = field(repr=False)
    secret_keys: tuple[str, ...] = field(repr=False)
    secret_keys_file: str
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    allow_private_endpoints: tuple[str, ...]
    behind_https: bool
    trusted_proxies: int
    public_url: str
    allowed_hosts: tuple[str, ...]
    session_idle: timedelta
    session_lifetime: timedelta
    requests_per_minute: int
    two_step_for: str
    lease_seconds: int
    slice_seconds: int
    tick_seconds: int
    orders_every: int
    stock_every: int
    listings_every: int
    order_page_size: int
    connect_timeout: float
    read_timeout: float
    total_timeout: float
    max_answer_bytes: int
    shop_connections: int
    shop_jobs: int
    shop_requests_per_minute: int
    outage_minutes: int
    pause_failures: int
    pause_days: int
    smtp_host: str
    smtp_port: int
    smtp_security: str
    smtp_user: str
    smtp_password: str = field(repr=False)
    smtp_from: str
    log_level: str
    log_format: str
    metrics_token: str = field(repr=False)
    keep_runs_days: int
    keep_changes_days: int
    keep_deliveries_days: int
    keep_files_days: int
    testing: bool = False

    def secrets(self) -> tuple[str, ...]:
        """Values that must not appear in logs or support bundles."""
        passwords = (urlsplit(url).password for url in (self.database_url, self.redis_url))
        return tuple(filter(None, (self.secret_key, *self.secret_keys, self.metrics_token, self.smtp_password, *passwords)))

    def flask(self) -> dict[str, object]:
        """The settings of Flask and its extensions, by their names."""
        return {
            "SECRET_KEY": self.secret_key,
            "SQLALCHEMY_DATABASE_URI": self.database_url,
            # A restarted server has closed the pooled connections: each is tested before it is used.
            "SQLALCHEMY_ENGINE_OPTIONS": {"pool_pre_ping": self.database_url.startswith("postgresql")},
            # With this prefix browsers accept the cookie only from this host over https.
            "SESSION_COOKIE_NAME": "__Host-cartlink" if self.behind_https else "cartlink",
            "SESSION_COOKIE_HTTPONLY": True,
            "SESSION_COOKIE_SAMESITE": "Lax",
            "SESSION_COOKIE_SECURE": self.behind_https,
            "WTF_CSRF_TIME_LIMIT": 12 * 3600,
            "MAX_CONTENT_LENGTH": 2 * 1024 * 1024,
            "BOOTSTRAP_SERVE_LOCAL": True,
            "TESTING": self.testing,
        }


NAMES = (
    "CARTLINK_INSTANCE", "SECRET_KEY", "SECRET_KEYS", "SECRET_KEYS_FILE", "DATABASE_URL", "REDIS_URL", "ALLOW_PRIVATE_ENDPOINTS",
    "BEHIND_HTTPS", "TRUSTED_PROXIES", "PUBLIC_URL", "ALLOWED_HOSTS", "SESSION_IDLE_MINUTES", "SESSION_HOURS", "REQUESTS_PER_MINUTE",
    "TWO_STEP_FOR",
    "LEASE_SECONDS", "SLICE_SECONDS", "TICK_SECONDS", "ORDERS_EVERY", "STOCK_EVERY", "LISTINGS_EVERY", "ORDER_PAGE_SIZE",
    "CONNECT_TIMEOUT", "READ_TIMEOUT", "TOTAL_TIMEOUT", "MAX_ANSWER_MB", "SHOP_CONNECTIONS", "SHOP_JOBS",
    "SHOP_REQUESTS_PER_MINUTE", "OUTAGE_MINUTES", "PAUSE_FAILURES", "PAUSE_DAYS",
    "SMTP_HOST", "SMTP_PORT", "SMTP_SECURITY", "SMTP_USER", "SMTP_PASSWORD", "SMTP_FROM", "LOG_LEVEL",
    "LOG_FORMAT", "METRICS_TOKEN", "KEEP_RUNS_DAYS", "KEEP_CHANGES_DAYS", "KEEP_DELIVERIES_DAYS", "KEEP_FILES_DAYS",
)  # fmt: skip


def log_format(environ: Mapping[str, str] | None = None) -> str:
    """The format of the log, for logging before the settings are read. ``load`` refuses invalid values."""
    given = dict(os.environ if environ is None else environ)
    return (given.get("LOG_FORMAT") or read_settings_file(_instance(given) / "settings.env").get("LOG_FORMAT", "TEXT")).upper()


def _instance(given: Mapping[str, str]) -> Path:
    return Path(given.get("CARTLINK_INSTANCE") or ROOT / "instance").resolve()


def load(environ: Mapping[str, str] | None = None, *, keyring: bool = True) -> Config:
    """Read the settings. Raises ConfigError with one sentence for the first setting that is missing or invalid.

    Without ``keyring`` the keyring file may be missing and is not read: a restored backup brings its own."""
    given = dict(os.environ if environ is None else environ)
    instance = _instance(given)
    values = read_settings_file(instance / "settings.env")
    if given.get("SECRET_KEYS"):
        # A keyring in the environment replaces the file that the settings name.
        values.pop("SECRET_KEYS_FILE", None)
    values |= {name: given[name] for name in NAMES if given.get(name)}
    reader = _Reader(values)
    return Config(
        instance=instance,
        secret_key=reader.required("SECRET_KEY"),
        secret_keys=_secret_keys(values) if keyring or not values.get("SECRET_KEYS_FILE") else (NO_KEY,),
        secret_keys_file=values.get("SECRET_KEYS_FILE", ""),
        database_url=_database_url(reader.required("DATABASE_URL")),
        redis_url=reader.required("REDIS_URL"),
        allow_private_endpoints=reader.words("ALLOW_PRIVATE_ENDPOINTS"),
        behind_https=reader.boolean("BEHIND_HTTPS", False),
        trusted_proxies=reader.integer("TRUSTED_PROXIES", 0, 0, 10),
        public_url=_public_url(values.get("PUBLIC_URL", "")),
        allowed_hosts=_host_names(reader.words("ALLOWED_HOSTS")),
        session_idle=timedelta(minutes=reader.integer("SESSION_IDLE_MINUTES", 120, 1, 7 * 24 * 60)),
        session_lifetime=timedelta(hours=reader.integer("SESSION_HOURS", 12, 1, 30 * 24)),
        requests_per_minute=reader.integer("REQUESTS_PER_MINUTE", 600, 10, 100_000),
        two_step_for=reader.choice("TWO_STEP_FOR", "NOBODY", ("NOBODY", "OWNERS", "EVERYBODY")),
        lease_seconds=reader.integer("LEASE_SECONDS", 60, 2, 3600),
        slice_seconds=reader.integer("SLICE_SECONDS", 30, 1, 3600),
        tick_seconds=reader.integer("TICK_SECONDS", 5, 1, 300),
        orders_every=reader.integer("ORDERS_EVERY", 300, 1, 86400),
        stock_every=reader.integer("STOCK_EVERY", 300, 1, 86400),
        listings_every=reader.integer("LISTINGS_EVERY", 86400, 60, 30 * 86400),
        order_page_size=reader.integer("ORDER_PAGE_SIZE", 100, 1, 500),
        connect_timeout=float(reader.integer("CONNECT_TIMEOUT", 10, 1, 120)),
        read_timeout=float(reader.integer("READ_TIMEOUT", 120, 1, 600)),
        total_timeout=float(reader.integer("TOTAL_TIMEOUT", 180, 1, 900)),
        max_answer_bytes=reader.integer("MAX_ANSWER_MB", 8, 1, 1024) * 1024 * 1024,
        shop_connections=reader.integer("SHOP_CONNECTIONS", 2, 1, 8),
        shop_jobs=reader.integer("SHOP_JOBS", 4, 1, 100),
        shop_requests_per_minute=reader.integer("SHOP_REQUESTS_PER_MINUTE", 1200, 0, 100_000),
        outage_minutes=reader.integer("OUTAGE_MINUTES", 30, 1, 24 * 60),
        pause_failures=reader.integer("PAUSE_FAILURES", 50, 1, 100_000),
        pause_days=reader.integer("PAUSE_DAYS", 3, 2, 365),
        smtp_host=values.get("SMTP_HOST", ""),
        smtp_port=reader.integer("SMTP_PORT", 587, 1, 65_535),
        smtp_security=reader.choice("SMTP_SECURITY", "STARTTLS", ("STARTTLS", "TLS", "NONE")),
        smtp_user=values.get("SMTP_USER", ""),
        smtp_password=values.get("SMTP_PASSWORD", ""),
        smtp_from=_smtp_from(values),
        log_level=reader.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        log_format=reader.choice("LOG_FORMAT", "TEXT", ("TEXT", "JSON")),
        metrics_token=reader.token("METRICS_TOKEN"),
        keep_runs_days=reader.integer("KEEP_RUNS_DAYS", 90, 0, 3650),
        keep_changes_days=reader.integer("KEEP_CHANGES_DAYS", 730, 0, 3650),
        keep_deliveries_days=reader.integer("KEEP_DELIVERIES_DAYS", 90, 0, 3650),
        keep_files_days=reader.integer("KEEP_FILES_DAYS", 30, 0, 3650),
    )


def read_settings_file(path: Path) -> dict[str, str]:
    """KEY=VALUE lines without blank lines and lines that start with #. A missing file counts as empty."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as cause:
        raise ConfigError(f"The settings file {path} cannot be read: {cause.strerror}.") from None
    values = {}
    for line in text.splitlines():
        name, separator, value = line.strip().partition("=")
        if separator and not name.startswith("#"):
            values[name.strip()] = value.strip()
    return values


class _Reader:
    def __init__(self, values: Mapping[str, str]):
        self.values = values

    def required(self, name: str) -> str:
        value = self.values.get(name, "")
        if not value:
            raise ConfigError(
                f"{name} is not set.", "Start with `make run`, which writes instance/settings.env, or set it in the environment."
            )
        return value

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        text = self.values.get(name, "")
        try:
            number = int(text) if text else default
        except ValueError:
            raise ConfigError(f"{name} has to be a whole number, not {text!r}.") from None
        if not least <= number <= most:
            raise ConfigError(f"{name} has to be between {least} and {most}, not {number}.")
        return number

    def boolean(self, name: str, default: bool) -> bool:
        text = self.values.get(name, "").lower()
        if not text:
            return default
        if text in ("1", "yes", "true", "on"):
            return True
        if text in ("0", "no", "false", "off"):
            return False
        raise ConfigError(f"{name} has to be yes or no, not {text!r}.")

    def token(self, name: str) -> str:
        """A token that clients have to send; empty if there is none."""
        text = self.values.get(name, "")
        if text and len(text) < SHORTEST_TOKEN:
            raise ConfigError(f"{name} has to be at least {SHORTEST_TOKEN} characters long.")
        return text

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(word.lower() for word in self.values.get(name, "").replace(",", " ").split())

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        text = self.values.get(name, default).upper()
        if text not in allowed:
            raise ConfigError(f"{name} has to be one of {', '.join(allowed)}, not {text!r}.")
        return text


def _database_url(url: str) -> str:
    """Add the driver that SQLAlchemy needs: hosting environments provide ``postgres://`` addresses."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url[len(prefix) :]
    if url.startswith(("sqlite:///", "postgresql+psycopg://")):
        return url
    raise ConfigError("DATABASE_URL has to start with sqlite:/// or postgresql://.")


def _public_url(url: str) -> str:
    """The address of the pages without a final slash; empty if it is not set."""
    url = url.strip().rstrip("/")
    if url and not url.startswith(("http://", "https://")):
        raise ConfigError("PUBLIC_URL has to start with http:// or https://.")
    return url


def _host_names(words: tuple[str, ...]) -> tuple[str, ...]:
    """Names or IP addresses. With a port or a scheme they would never match."""
    for word in words:
        if "/" in word or (":" in word and word.count(":") < 2) or "*" in word:
            raise ConfigError(f"ALLOWED_HOSTS has to hold names without a scheme, a port or an asterisk, not {word!r}.")
    return words


def _smtp_from(values: Mapping[str, str]) -> str:
    """The sender of emails; required if there is a mail server."""
    sender = values.get("SMTP_FROM", "").strip()
    if values.get("SMTP_HOST") and not sender:
        raise ConfigError("SMTP_FROM is not set.", "Emails need a sender, such as Cartlink <cartlink@shop.example>.")
    if sender and ("@" not in parseaddr(sender)[1] or not sender.isprintable()):
        raise ConfigError("SMTP_FROM has to be an email address, with or without a name.")
    return sender


def _secret_keys(values: Mapping[str, str]) -> tuple[str, ...]:
    """The Fernet keyring, newest key first: from SECRET_KEYS_FILE (one key a line) or SECRET_KEYS (commas)."""
    path = values.get("SECRET_KEYS_FILE", "")
    keys = read_keyring(path) if path else _words_of(values.get("SECRET_KEYS", ""))
    if not keys:
        raise ConfigError(
            "There is no keyring: set SECRET_KEYS_FILE or SECRET_KEYS.", "Without the keyring stored API keys cannot be read."
        )
    return keys


def read_keyring(path: str) -> tuple[str, ...]:
    """The keys of a keyring file, newest first. Raises ConfigError if it cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as cause:
        raise ConfigError(f"The keyring {path} cannot be read: {cause.strerror}.", "Restore it from your backup.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"The keyring {path} does not contain keys.", "Restore it from your backup.") from None
    return _words_of(text)


def _words_of(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def current_config() -> Config:
    """The settings of the application whose context is active."""
    return current_app.config["CARTLINK"]
