"""What is the same in all applications of a test run is made once.

Each test gets its own application. Most of the processor time of a short test went into what every application makes
again: parsed addresses and the functions that build them, compiled templates, and compiled statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from argon2 import PasswordHasher
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Engine, event
from werkzeug.routing import Rule

from extensions import db
from services.accounts import passwords


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
_builders: dict[tuple[Any, ...], Callable[..., Any]] = {}
_parsed: dict[tuple[Any, ...], tuple[Any, ...]] = {}
HASHER = passwords._HASHER
QUICK_HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""Most tests sign in, and need no password that is expensive to guess. Those of passwords take the real one, ``HASHER``."""
_make_engine = type(db)._make_engine
_compile = Rule.compile
_compile_builder = Rule._compile_builder


def install() -> None:
    """From now on applications of this process share. Call it once."""
    type(db)._make_engine = _make_sharing_engine
    Rule.compile = _compile_once
    Rule._compile_builder = _compile_builder_once
    event.listen(Engine, "connect", _sync_nothing)
    passwords._HASHER = QUICK_HASHER


def share_templates(app: Flask) -> None:
    app.jinja_env.bytecode_cache = TEMPLATES


def _make_sharing_engine(self: Any, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
    """An engine with its own pool that takes compiled statements from the first engine for the same kind of database.
    Statements are kept by dialect, so the engines share the dialect too, once it knows its server."""
    made = _make_engine(self, bind_key, options, app)
    first = _engines.setdefault(made.dialect.name, made)
    if first is not made and first.dialect.server_version_info:
        made.dialect = first.dialect
        made._compiled_cache = first._compiled_cache
    return made


def _sync_nothing(connection: Any, record: Any) -> None:
    """What a killed process has written stays where it is; only a power cut would lose it. A checkpoint waits for the disk otherwise."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF").close()


def _compile_once(self: Rule) -> None:
    """What a rule's text means depends on the map's settings and converters, which are the same in all applications."""
    key = (
        self.rule, self.host, self.subdomain, self.merge_slashes, self.map.host_matching, tuple(self.map.converters.items()),
    )  # fmt: skip
    if key not in _parsed:
        _compile(self)
        _parsed[key] = (self._parts, self._trace, self._converters)
        return
    self._parts, self._trace, self._converters = _parsed[key]
    self.arguments.update(self._converters)
    self._build = self._compile_builder(False).__get__(self, None)
    self._build_unknown = self._compile_builder(True).__get__(self, None)


def _compile_builder_once(self: Rule, append_unknown: bool = True) -> Callable[..., Any]:
    """The function depends on the text of the rule, and asks the rule it is bound to for its converters."""
    if self.defaults:
        return _compile_builder(self, append_unknown)
    key = (tuple(self._trace), append_unknown)
    if key not in _builders:
        _builders[key] = _compile_builder(self, append_unknown)
    return _builders[key]
