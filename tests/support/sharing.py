"""What is the same in all applications of a test run is made once.

Each test gets its own application. Most of the processor time of a short test went into what every application makes
again: the map of its addresses, compiled templates, and compiled statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from argon2 import PasswordHasher
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Engine, event
from werkzeug.routing import Map, Rule, RuleFactory

from extensions import db
from services.accounts import passwords
from services.security import keyring


class Templates(BytecodeCache):
    """Compiled templates, kept in memory. Jinja drops one whose source has changed."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.kept[bucket.key] = bucket.bytecode_to_string()


TEMPLATES = Templates()
_engines: dict[str, Engine] = {}
_maps: dict[Any, tuple[Any, dict[Any, list[Rule]]]] = {}
HASHER = passwords._HASHER
QUICK_HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""Most tests sign in, and need no password that is expensive to guess. Those of passwords take the real one, ``HASHER``."""
_make_engine = type(db)._make_engine


class SharedMap(Map):
    """The addresses of an application. Applications that add the same rules in the same order share one map, bound and sorted for the first
    of them; one that adds a rule later takes it out of the others' reach."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._added: list[RuleFactory] = []
        self._key: Any = None
        self._kept: Any = None
        super().__init__(*args, **options)

    def add(self, rulefactory: RuleFactory) -> None:
        if self._kept is None:
            self._added.append(rulefactory)
            return
        _maps.pop(self._key, None)
        super().add(rulefactory)

    def update(self) -> None:
        self._settle()
        super().update()

    def _settle(self) -> tuple[Any, dict[Any, list[Rule]]]:
        """Take the rules of an application before, or bind those of this one."""
        if self._kept is None:
            self._key = (self.host_matching, self.strict_slashes, tuple(self.converters.items()), *map(_meaning, self._added))
            self._kept = _maps.get(self._key)
            if self._kept is not None:
                self._remap = False
                return self._kept
            self._kept = (self._first_matcher, {})
            for factory in self._added:
                super().add(factory)
            super().update()
            _maps[self._key] = self._kept
        return self._kept

    @property
    def _matcher(self) -> Any:
        return self._settle()[0]

    @_matcher.setter
    def _matcher(self, matcher: Any) -> None:
        self._first_matcher = matcher

    @property
    def _rules_by_endpoint(self) -> dict[Any, list[Rule]]:
        return self._settle()[1]

    @_rules_by_endpoint.setter
    def _rules_by_endpoint(self, empty: dict[Any, list[Rule]]) -> None:
        """``Map`` begins with an empty one."""


def _meaning(rule: Any) -> tuple[Any, ...]:
    """All that a rule says before it is bound to a map."""
    return (
        rule.rule, rule.endpoint, frozenset(rule.methods or ()), tuple((rule.defaults or {}).items()), rule.subdomain, rule.host,
        rule.strict_slashes, rule.merge_slashes, rule.build_only, rule.alias, rule.redirect_to, rule.websocket,
        rule.provide_automatic_options,
    )  # fmt: skip


def install() -> None:
    """From now on applications of this process share. Call it once."""
    type(db)._make_engine = _make_sharing_engine
    Flask.url_map_class = SharedMap
    event.listen(Engine, "connect", _sync_nothing)
    passwords._HASHER = QUICK_HASHER


def share_templates(app: Flask) -> None:
    app.jinja_env.bytecode_cache = TEMPLATES


@contextmanager
def nothing_encrypted() -> Iterator[None]:
    """An application made in here is on a database fresh from a template, so there is nothing to try the keyring on."""
    check, keyring.check_at_start = keyring.check_at_start, lambda app: None
    try:
        yield
    finally:
        keyring.check_at_start = check


def _make_sharing_engine(self: Any, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
    """An engine with its own pool that takes compiled statements from the first engine for the same kind of database.
    Statements are kept by dialect, so the engines share the dialect too, once it knows its server."""
    made = _make_engine(self, bind_key, options, app)
    first = _engines.setdefault(made.dialect.name, made)
    if first is made:
        # The suite has thousands of statements, an installation's workers a few hundred.
        made._compiled_cache.capacity = 20_000
    if first is not made and first.dialect.server_version_info:
        made.dialect = first.dialect
        made._compiled_cache = first._compiled_cache
    return made


def _sync_nothing(connection: Any, record: Any) -> None:
    """What a killed process has written stays where it is; only a power cut would lose it. A checkpoint waits for the disk otherwise."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF").close()
