"""Which changes become events, and the triggers that capture them.

The triggers are made from ``CAPTURED`` and ``TOUCHING`` for SQLite and PostgreSQL, and put in place after the migrations
(migrations/env.py). A trigger sees each change of a row, whatever statement made it: an object of the ORM, one UPDATE over thousands of
rows, or a person at the database. Each writes at most one ``event_change`` row for an object and transaction.

Columns that are about a customer are never copied: events say that such a column changed, not how."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Connection, text

from extensions import Base, captured_tables

PREFIX = "capture_"


@dataclass(frozen=True, slots=True)
class Captured:
    """``shown`` are the columns whose values events carry, ``hidden`` those whose changes they only report. ``parent`` is the column of
    the row it belongs to. ``acts`` are those captured: c, u, d. ``only`` is a condition on an update."""

    object: str
    shown: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    parent: str | None = None
    acts: str = "cud"
    only: str = ""


@dataclass(frozen=True, slots=True)
class Touching:
    """A row that is shown as a part of an object: ``columns`` are those that readers see. ``object_id`` is the id of that object, as SQL
    on the row ``{row}``; ``parent_id`` that of the row the object belongs to."""

    object: str
    object_id: str
    columns: tuple[str, ...]
    parent_id: str = "NULL"


CAPTURED: dict[str, Captured] = {
    "order": Captured(
        "order",
        ("external_id", "number", "placed_at", "state", "payment_status", "shipping_status", "currency", "decimals", "total",
         "held_codes", "cancel_unseen", "called_off_at", "superseded_at", "gone_at", "erased_at"),
        ("changed_at", "items", "shipping", "items_tax", "shipping_tax", "discount", "other", "difference", "tax_lines", "held_reason",
         "note", "customer", "email", "billing_address", "shipping_address", "payment_method", "shipping_method", "customer_notes",
         "admin_notes", "tracking_numbers", "first_seen_at", "updated_at", "doubts", "shown_instead", "gone_seen_at"),
        "shop_id",
    ),
    "shipment": Captured(
        "shipment", ("order_id", "carrier", "shipped_at", "by_hand", "voided_at"),
        ("tracking_number", "note", "actor", "entered_at", "entered_by", "voided_by", "undone"),
        "order_id",
    ),
    "write_back": Captured(
        "write_back", ("order_id", "event", "state", "error_code"),
        ("tracking_numbers", "tries", "due_at", "finished_at", "actor", "note", "error", "advice"), "order_id",
    ),
    "stock_item": Captured("stock_item", ("sku", "name", "on_hand", "reserved", "buffer"), ("updated_at", "low_at", "fed", "fed_rule")),
    "listing": Captured(
        "listing",
        ("external_id", "kind", "sku", "quantity", "do_not_push", "push_state", "drift", "rename_state", "gone_at"),
        ("name", "push_error", "pushed_at", "counted", "own_stock", "replaced", "enabled", "missed"), "shop_id",
    ),
    "integration": Captured(
        "integration", ("name", "kind", "enabled", "health", "generation", "paused_at", "removed_at"),
        ("endpoint", "health_message", "use_tax", "use_shipping_tax", "surcharge_name", "with_variants", "with_options",
         "with_discounts", "with_tax_lines", "with_notes", "with_back_orders", "processed_status", "orders_since",
         "part_shipped_status", "cancelled_status", "work_statuses", "take_shop_stock", "safety_limit_percent", "safety_limit_least",
         "key_last4"),
        "shop_id",
    ),
    "sync_run": Captured(
        "run", ("kind", "state", "outcome", "error_code"), (), "integration_id", acts="u",
        only="NEW.state = 'finished' AND OLD.state <> 'finished'",
    ),
    "incident": Captured("incident", ("cause", "since", "resolved_at", "resolution", "reopened", "event_endpoint_id", "order_export_id"), (),
                         "integration_id", acts="cu"),
    "export_delivery": Captured(
        "export", ("export_id", "file_name", "state", "orders", "trigger"), (), acts="u",
        only="NEW.state IN ('done', 'failing') AND OLD.state <> NEW.state",
    ),
    "supplier": Captured("supplier", ("name", "lead_days", "removed_at")),
    "feed": Captured(
        "feed", ("name", "enabled", "approved_at", "failing_since", "error_code", "stale_since", "removed_at"),
        ("method", "address", "path", "auth", "user", "parameter", "secret_last4", "host_key", "seen_host_key", "sheet", "headings", "columns", "delta",
         "excludes_open_orders", "missing", "missing_after", "priority", "interval_seconds", "times", "zone", "quiet_from", "quiet_until",
         "stale_after_seconds", "when_stale", "zero_percent", "rows_percent", "unreadable_percent"),
        "supplier_id",
    ),
    "feed_run": Captured(
        "feed_run", ("state", "error_code", "rows", "changed", "zeroed", "unknown", "items"), (), "feed_id", acts="u",
        only="NEW.state <> OLD.state AND NEW.state IN ('waiting', 'done', 'failed', 'dropped', 'undone')",
    ),
}  # fmt: skip
"""By table."""

TOUCHING: dict[str, Touching] = {
    "order_line": Touching(
        "order", "{row}.order_id",
        ("position", "sku", "name", "quantity", "price", "total", "tax", "options", "shipped"),
    ),
    "allocation": Touching(
        "order", "(SELECT order_id FROM order_line WHERE id = {row}.order_line_id)", ("units", "reserved"),
    ),
    "shipment_line": Touching(
        "shipment", "{row}.shipment_id", ("order_line_id", "sku", "name", "quantity"),
        "(SELECT order_id FROM shipment WHERE id = {row}.shipment_id)",
    ),
    "link": Touching("link", "{row}.listing_id", ("stock_item_id", "units", "made_by")),
}  # fmt: skip
"""By table."""

captured_tables.update((*CAPTURED, *TOUCHING))
LEFT_OUT: dict[str, tuple[str, ...]] = {
    "order": ("digest", "raw", "surcharge_rows", "email_digest", "problems", "accepted_codes", "reread_due", "rows_due", "seen_at",
              "reopened_status", "reason_codes"),
    "order_line": ("sku_key", "product_id", "variant_id", "uncounted", "could_mean", "item_id", "shop_price", "options_digest"),
    "shipment": ("after_write_back_id", "batch", "edits"),
    "shipment_line": ("taken",),
    "write_back": ("shop_id", "run_id", "created_at", "status", "sent", "answer", "tried_at", "replaced_by"),
    "stock_item": ("sku_key", "shared_key", "searched", "low_since"),
    "listing": ("product_id", "sku_key", "searched", "linked", "renamed_from", "seen_at", "seen_pass", "pushed", "expected", "stale", "push_tries",
                "push_failed_since", "push_due_at", "push_sent", "drift_seen_at"),
    "integration": ("name_key", "admin_script", "key_encrypted", "created_at", "mail_warned_at", "push_gate", "statuses",
                    "evaluate_due_at", "waiting_run_id", "approved_run_id", "health_since", "writes_refused", "put_by_post",
                    "pause_warned_at"),
    "incident": ("opened_at", "remind_at", "facts"),
    "export_delivery": ("name", "by", "format", "columns", "key", "actor", "repeats", "method", "place", "reached", "size", "digest", "tries",
                        "error_code", "error", "advice", "created_at", "finished_at"),
    "supplier": ("name_key", "created_at", "changed_at", "changed_by"),
    "feed": ("secret_encrypted", "sample", "due_at", "etag", "last_modified", "file_name", "file_size", "file_modified_at", "digest", "rows", "read_at",
             "succeeded_at", "failures", "retry_at", "error", "advice", "created_at", "changed_at", "changed_by"),
}  # fmt: skip
"""Columns whose changes alone are no event, by table: no reader sees them, or only as something that moves all the time. A test finds
columns that are nowhere here."""

ROWS = {"c": ("INSERT", "NEW"), "u": ("UPDATE", "NEW"), "d": ("DELETE", "OLD")}
"""The statement behind each act, and the row that it leaves or took away."""

COLUMNS = "transaction_number, object, object_id, parent_id, act, was, now, hidden, actor, cause, at"
MERGED = """ON CONFLICT (transaction_number, object, object_id) DO UPDATE SET
    act = CASE WHEN excluded.act = 'd' AND event_change.act IN ('c', 'x') THEN 'x' WHEN excluded.act = 'd' THEN 'd'
               WHEN event_change.act = 'd' AND excluded.act = 'c' THEN 'u' WHEN event_change.act = 'x' THEN excluded.act
               ELSE event_change.act END,
    was = CASE WHEN event_change.act = 'c' THEN NULL ELSE coalesce(event_change.was, excluded.was) END,
    now = coalesce(excluded.now, event_change.now), parent_id = coalesce(excluded.parent_id, event_change.parent_id),
    hidden = {hidden}"""


def statements(dialect: str) -> dict[str, list[str]]:
    """The SQL that makes each trigger, by the trigger's name. A name ends with a digest of its trigger, so that names alone tell whether a
    database has the present ones."""
    made: dict[str, list[str]] = {}
    for table, act, when, columns, values in _triggers(dialect):
        make = _on_sqlite if dialect == "sqlite" else _on_postgresql
        stem = f"{PREFIX}{table}_{act}"
        digest = hashlib.sha256(" ".join(make(stem, table, act, when, columns, values)).encode()).hexdigest()[:10]
        name = f"{stem}_{digest}"
        made[name] = make(name, table, act, when, columns, values)
    return made


def _triggers(dialect: str) -> Iterator[tuple[str, str, str, tuple[str, ...], str]]:
    """Table, act, condition, the columns whose update counts, and the values of the row that is written."""
    for table, captured in CAPTURED.items():
        for act in captured.acts:
            values = _values(dialect, captured.object, act, _captured_values(dialect, table, captured, act))
            columns = (*captured.shown, *captured.hidden)
            differ = _differ(table, columns)
            when = (captured.only or differ) if act == "u" else ""
            yield table, act, when, ("state",) if captured.only else columns, values
    for table, touching in TOUCHING.items():
        for act in "cud":
            row = ROWS[act][1]
            ids = touching.object_id.format(row=row), touching.parent_id.format(row=row)
            values = _values(dialect, touching.object, "u", (*ids, "NULL", "NULL", "TRUE"))
            yield table, act, _differ(table, touching.columns) if act == "u" else "", touching.columns, values


def _captured_values(dialect: str, table: str, captured: Captured, act: str) -> tuple[str, str, str, str, str]:
    """The object's id and parent, its columns before and after, and whether a hidden one changed."""
    row = ROWS[act][1]
    was = "NULL" if act == "c" else _as_json(dialect, table, captured.shown, "OLD")
    now = "NULL" if act == "d" else _as_json(dialect, table, captured.shown, "NEW")
    hidden = f"({_differ(table, captured.hidden)})" if act == "u" and captured.hidden else "FALSE"
    return f"{row}.id", f"{row}.{captured.parent}" if captured.parent else "NULL", was, now, hidden


def _values(dialect: str, name: str, act: str, values: tuple[str, str, str, str, str]) -> str:
    object_id, parent, was, now, hidden = values
    found = ", ".join((f"'{name}'", object_id, parent, f"'{act}'", was, now, hidden))
    if dialect == "sqlite":
        # "WHERE" keeps the parser from taking ON CONFLICT for a join.
        moment = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
        source = f"FROM event_state WHERE {object_id} IS NOT NULL"
        return f"SELECT transaction_number, {found}, actor, cause, {moment} {source}"
    setting = "coalesce(current_setting('cartlink.{}', true), '')"
    return f"SELECT txid_current(), {found}, {setting.format('actor')}, {setting.format('cause')}, now() WHERE {object_id} IS NOT NULL"


def _column(table: str, name: str) -> Any:
    return Base.metadata.tables[table].c[name]


def _as_json(dialect: str, table: str, names: tuple[str, ...], row: str) -> str:
    def value(name: str) -> str:
        held = isinstance(_column(table, name).type, JSON) and dialect == "sqlite"
        return f"json({row}.{name})" if held else f"{row}.{name}"

    function = "json_object" if dialect == "sqlite" else "json_build_object"
    pairs = ", ".join(f"'{name}', {value(name)}" for name in names)
    return f"{function}({pairs})"


def _differ(table: str, names: tuple[str, ...]) -> str:
    """Whether any of these columns changed. PostgreSQL cannot compare values of its type json."""

    def pair(name: str) -> str:
        cast = "CAST({} AS TEXT)" if isinstance(_column(table, name).type, JSON) else "{}"
        before, after = (cast.format(f'{row}."{name}"') for row in ("OLD", "NEW"))
        return f"{before} IS DISTINCT FROM {after}"

    return " OR ".join(pair(name) for name in names)


def _quoted(columns: tuple[str, ...]) -> str:
    """Their names as SQL: some, such as ``user``, are reserved words there."""
    return ", ".join(f'"{name}"' for name in columns)


def _on_sqlite(name: str, table: str, act: str, when: str, columns: tuple[str, ...], values: str) -> list[str]:
    of = f" OF {_quoted(columns)}" if act == "u" else ""
    condition = f" WHEN {when.replace('IS DISTINCT FROM', 'IS NOT')}" if when else ""
    values = values.replace("IS DISTINCT FROM", "IS NOT")
    merged = MERGED.format(hidden="max(event_change.hidden, excluded.hidden)")
    return [
        f'CREATE TRIGGER {name} AFTER {ROWS[act][0]}{of} ON "{table}"{condition} '
        f"BEGIN INSERT INTO event_change ({COLUMNS}) {values} {merged}; END"
    ]


def _on_postgresql(name: str, table: str, act: str, when: str, columns: tuple[str, ...], values: str) -> list[str]:
    of = f" OF {_quoted(columns)}" if act == "u" else ""
    condition = f" WHEN ({when})" if when else ""
    merged = MERGED.format(hidden="event_change.hidden OR excluded.hidden")
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"INSERT INTO event_change ({COLUMNS}) {values} {merged}; RETURN NULL; END $$",
        f'CREATE TRIGGER {name} AFTER {ROWS[act][0]}{of} ON "{table}" FOR EACH ROW{condition} EXECUTE FUNCTION {name}()',
    ]


FOUND = {
    "sqlite": "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": (
        "SELECT tgname, relname, CASE WHEN tgenabled = 'O' THEN prosrc ELSE '' END FROM pg_trigger "
        "JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid "
        "WHERE NOT tgisinternal AND pg_table_is_visible(pg_class.oid)"
    ),
}
"""By dialect: a trigger's name, its table, and what it does; nothing if it is disabled."""


def present(connection: Connection) -> Mapping[str, tuple[str, str]]:
    """The tables of the capturing triggers that a database has, and what they do, by the triggers' names."""
    found = connection.execute(text(FOUND[connection.dialect.name]))
    return {name: (table, does) for name, table, does in found if name.startswith(PREFIX)}


def faults(connection: Connection) -> list[str]:
    """The triggers that are missing, changed, disabled or too many, by name. Without them changes become no events."""
    wanted = {name: made[0] for name, made in statements(connection.dialect.name).items()}
    if connection.dialect.name == "postgresql":
        wanted = {name: made.split("$$")[1] for name, made in wanted.items()}
    here = {name: does for name, (_, does) in present(connection).items()}
    return sorted(name for name in wanted.keys() | here.keys() if wanted.get(name) != here.get(name))


def in_place(connection: Connection) -> bool:
    """Whether a database has the present triggers, and no others."""
    return not faults(connection)


def remove(connection: Connection) -> None:
    """Drop all capturing triggers. Tables can be changed then."""
    for name, (table, _) in present(connection).items():
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            connection.exec_driver_sql(f'DROP TRIGGER {name} ON "{table}"')
            connection.exec_driver_sql(f"DROP FUNCTION {name}()")


def install(connection: Connection) -> None:
    """Make the present triggers, if they are not there."""
    if not in_place(connection):
        remove(connection)
        for each in statements(connection.dialect.name).values():
            for statement in each:
                connection.exec_driver_sql(statement)
