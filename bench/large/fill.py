"""A large installation, made of a small one that was downloaded for real: copies of its rows, written by the database itself.

Twenty shops share the orders. They were placed over the last 1,000 days, the newest first; one in a thousand is on hold and five in a thousand
wait to be shipped, as in an old installation. What is rare fills a page in a small installation too, so that a page is not compared with one that
has nothing to show. Everything is made of the number of a row, so that two databases hold the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Index, Table, text
from sqlalchemy.schema import DropIndex

from bench.large import derived
from extensions import db
from models import text_parts
from models.sku_key import folded
from services.common.words import words_of

SHOPS = 20
DAYS = 1_000
FIRST_ID = 1_000_000
"""Ids of copied rows begin here, far above those of their models."""

A_PAGE = 60
RARE = 7
"""The first rare row of most kinds."""

FIRST_NAMES = (
    "Anna", "John", "Zoë", "Łukasz", "María", "Søren", "Иван", "美咲", "Ann", "Jean-Luc", "Priya", "Tom", "Ada", "Siobhán", "Max", "Ulla",
    "Peter", "Katharina", "Marek", "Noor", "Bela", "Chloé", "Dmitri", "Ewa", "Finn", "Greta", "Hugo", "Ines", "Jan", "Kim",
)  # fmt: skip
LAST_NAMES = (
    "Müller", "O'Brien", "Nguyễn", "Wójcik", "Núñez", "Åberg", "Петров", "田中", "Lee", "D'Arçon", "Rao", "Baker", "van der Berg", "Kelly",
    "Groß", "Huber", "Novák", "Silva", "Kowalski", "Dupont", "Rossi", "Weber", "Schmidt", "Fischer", "Meyer", "Wagner", "Becker", "Hoffmann",
    "Schulz", "Koch", "Bauer", "Richter",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows of each kind the large installation has."""

    orders: int
    lines_each: int = 3

    @property
    def listings(self) -> int:
        return 4 * self.stock_items

    @property
    def stock_items(self) -> int:
        return max(100, self.orders // 20)

    @property
    def runs(self) -> int:
        return self.orders

    @property
    def shipments(self) -> int:
        return self.orders // 5


def one_in(many: int, rows: int) -> int:
    """Of how many rows one is rare: of ``many``, but so that a page of ``rows`` is rare."""
    return max(1, min(many, rows // A_PAGE))


class Filler:
    """Writes to one database. ``sqlite`` is whether it is SQLite."""

    def __init__(self, connection: Connection, size: Size):
        self.connection, self.size = connection, size
        self.sqlite = connection.dialect.name == "sqlite"

    def fill(self) -> None:
        """Events are not captured and foreign keys not checked meanwhile: that takes longer than all else."""
        tables = [db.metadata.tables[name] for name in TABLES]
        text_parts.remove(self.connection)
        triggers = self._drop_triggers()
        self._prepare()
        self._drop_indexes(tables)
        for name in ("shop", "integration", "flow"):
            self._copy_shops(name)
        self._stock()
        self._orders()
        self._runs()
        self._history()
        self._create_indexes(tables)
        derived.write_sales(self.connection)
        derived.write_search(self.connection, FIRST_ID)
        self._tidy(tables)
        for trigger in triggers:
            self.connection.exec_driver_sql(trigger)
        text_parts.install(self.connection)

    def run(self, statement: str, **values: Any) -> None:
        self.connection.execute(text(statement), values)

    def at(self, seconds: str) -> str:
        """SQL: the moment so many seconds (an expression) before now, as a column of this database keeps it."""
        if self.sqlite:
            return f"strftime('%Y-%m-%d %H:%M:%S.000000', unixepoch('now') - ({seconds}), 'unixepoch')"
        return f"date_trunc('second', now()) - make_interval(secs => {seconds})"

    def chosen(self, values: tuple[str, ...], number: str, column: str = "word") -> str:
        """SQL: one of some texts, by a number; ``folded`` is it as it is searched for a part."""
        return f"(SELECT {column} FROM bench_word WHERE list = '{id_of(values)}' AND place = ({number}) % {len(values)})"

    def rare(self, many: int, rows: int, first: int = RARE) -> str:
        """SQL: whether a row is one of the rare ones, of which there are as many as ``one_in`` says."""
        each = one_in(many, rows)
        return f"b.n % {each} = {first % each}"

    def padded(self, number: str, digits: int) -> str:
        return f"substr(cast(({number}) + {10**digits} AS text), 2)"

    def copy(self, name: str, source: str, columns: Mapping[str, str], model: str = "m") -> None:
        """Insert rows of a table: ``columns`` by expressions, all others as the row ``model`` of the select has them."""
        table = db.metadata.tables[name]
        names = [column.name for column in table.columns]
        values = [columns.get(each, f'{model}."{each}"') for each in names]
        listed = ", ".join(f'"{each}"' for each in names)
        self.run(f'INSERT INTO "{name}" ({listed}) SELECT {", ".join(values)} FROM {source}')

    def _prepare(self) -> None:
        for name in MADE:
            self.run(f"DROP TABLE IF EXISTS {name}")
        most = max(self.size.orders, self.size.runs, self.size.listings, self.size.stock_items)
        self.run("CREATE TABLE bench_n (n integer PRIMARY KEY)")
        if self.sqlite:
            self.run(
                "WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n + 1 < :most) INSERT INTO bench_n SELECT n FROM c",
                most=most,
            )
        else:
            self.run("INSERT INTO bench_n SELECT generate_series(0, :most - 1)", most=most)
        self.run("CREATE TABLE bench_word (list text, place integer, word text, folded text, PRIMARY KEY (list, place))")
        for values in (FIRST_NAMES, LAST_NAMES):
            for place, word in enumerate(values):
                self.run(
                    "INSERT INTO bench_word VALUES (:list, :place, :word, :folded)",
                    list=id_of(values), place=place, word=word, folded=folded(word),
                )  # fmt: skip
        self.run("CREATE TABLE bench_name (name text PRIMARY KEY, words text)")
        for name in (f"{first} {last}" for first in FIRST_NAMES for last in LAST_NAMES):
            self.run("INSERT INTO bench_name VALUES (:name, :words)", name=name, words=" ".join(words_of(name)))
        self.run("CREATE TABLE bench_model (place integer PRIMARY KEY, id integer)")
        self.run("INSERT INTO bench_model SELECT row_number() OVER (ORDER BY id) - 1, id FROM \"order\" WHERE number <> ''")
        self.models = self.connection.scalar(text("SELECT count(*) FROM bench_model"))

    def _drop_triggers(self) -> list[str]:
        """The statements that make them again. PostgreSQL lets a connection work without, until its transaction ends."""
        if not self.sqlite:
            self.run("SET LOCAL session_replication_role = replica")
            return []
        triggers = self.connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
        for name, _ in triggers:
            self.run(f'DROP TRIGGER "{name}"')
        return [sql for _, sql in triggers]

    def _drop_indexes(self, tables: list[Table]) -> None:
        for table in tables:
            for index in table.indexes:
                if self._is_made_afterwards(index):
                    self.connection.execute(DropIndex(index, if_exists=True))

    def _create_indexes(self, tables: list[Table]) -> None:
        for table in tables:
            for index in sorted(table.indexes, key=lambda each: each.name or ""):
                if self._is_made_afterwards(index):
                    index.create(self.connection)

    def _is_made_afterwards(self, index: Index) -> bool:
        """An index of SQLite reads all of its table: for the large rows of orders that takes longer than keeping their indexes."""
        return not index.unique and not (self.sqlite and index.table is not None and index.table.name == "order")

    def _copy_shops(self, name: str) -> None:
        more = f'bench_n b JOIN "{name}" m ON m.id < 1000 WHERE b.n BETWEEN 1 AND {SHOPS - 1}'
        if name == "shop":
            self.copy(name, more, {"id": "b.n + 1", "address": "m.address || b.n"})
        elif name == "integration":
            named = {"name": "'Shop ' || b.n", "name_key": "'shop ' || b.n", "endpoint": "m.endpoint || b.n"}
            self.copy(name, more, {"id": "b.n + 1", "shop_id": "b.n + 1", **named})
        else:
            self.copy(name, more, {"id": "b.n * 1000 + m.id", "integration_id": "b.n + 1"})

    def _stock(self) -> None:
        items, listings = self.size.stock_items, self.size.listings
        sku, key = (f"'{word}-' || {self.padded('b.n', 7)} || '-' || (b.n % 7)" for word in ("SKU", "sku"))
        name, searched = (f"{self.chosen(LAST_NAMES, 'b.n', column)} || ' bowl ' || b.n" for column in ("word", "folded"))
        newline = "char(10)" if self.sqlite else "chr(10)"
        first_item = "(SELECT min(id) FROM stock_item)"
        self.copy(
            "stock_item", f"bench_n b JOIN stock_item m ON m.id = {first_item} WHERE b.n < {items}",
            {"id": f"{FIRST_ID} + b.n", "sku": sku, "sku_key": key, "shared_key": "NULL", "name": name,
             "searched": f"{key} || {newline} || {searched}", "reserved": "b.n * 37 % 10",
             "on_hand": f"CASE WHEN {self.rare(10, items)} THEN 10 + b.n * 37 % 41 ELSE 60 + b.n * 37 % 450 END", "buffer": "0", "updated_at": self.at("b.n * 60")},
        )  # fmt: skip
        refused_when = self.rare(2000, listings)
        unlinked = self.rare(50, listings, 3)
        of_item = sku.replace("b.n", f"(b.n % {items})"), key.replace("b.n", f"(b.n % {items})")
        self.copy(
            "listing", f"bench_n b JOIN listing m ON m.id = (SELECT min(id) FROM listing WHERE counted) WHERE b.n < {listings}",
            {"id": f"{FIRST_ID} + b.n", "shop_id": f"1 + b.n / {max(A_PAGE, listings // SHOPS)} % {SHOPS}", "external_id": "'c' || b.n",
             "product_id": "'c' || b.n", "sku": of_item[0], "sku_key": of_item[1], "name": name,
             "searched": f"{of_item[1]} || {newline} || {searched}", "quantity": "(b.n * 37) % 500",
             "linked": f"NOT ({unlinked})", "stale": "b.n < 0", "push_state": f"CASE WHEN {refused_when} THEN 'refused' ELSE '' END",
             "push_error": f"CASE WHEN {refused_when} THEN 'The shop refused it.' ELSE '' END", "seen_at": self.at("b.n % 3600")},
        )  # fmt: skip
        self.copy(
            "link", f"bench_n b JOIN link m ON m.id = (SELECT min(id) FROM link) WHERE b.n < {listings} AND NOT {unlinked}",
            {"id": f"{FIRST_ID} + b.n", "listing_id": f"{FIRST_ID} + b.n", "stock_item_id": f"{FIRST_ID} + b.n % {items}"},
        )  # fmt: skip

    def _orders(self) -> None:
        count = self.size.orders - self.models
        names = len(FIRST_NAMES) * len(LAST_NAMES)
        buyer = f"CASE WHEN {self.rare(names, count)} THEN 0 ELSE b.n + {names - RARE} END"
        first, last = self.chosen(FIRST_NAMES, f"({buyer}) / {len(LAST_NAMES)}"), self.chosen(LAST_NAMES, buyer)
        email = f"'buyer.' || CASE WHEN {self.rare(900, count)} THEN 777 ELSE 8 END || b.n || '@example' || (b.n % {one_in(40, count)}) || '.com'"
        held = f"b.n % {one_in(1000, count)} = 0"
        state = (
            f"CASE WHEN {held} THEN 'on_hold' WHEN b.n % 1000 < 6 THEN 'ready' WHEN b.n % 1000 < 7 THEN 'awaiting_payment' "
            "WHEN b.n % 50 = 11 THEN 'cancelled' ELSE 'shipped' END"
        )
        none, sums, unknown = (
            f"'{codes}'" if self.sqlite else f"'{codes}'::json" for codes in ("[]", '["sums"]', '["unknown_sku"]')
        )
        number = f"(b.n / {one_in(1000, count)})"  # of the held order
        missing = f"{held} AND {number} % 3 > 0"
        codes = f"CASE WHEN {missing} THEN {unknown} WHEN {held} THEN {sums} ELSE {none} END"
        reason = (
            f"CASE WHEN {missing} THEN 'SKU NEW-' || ({number} % 8) || ' is not one of our stock items.' "
            f"WHEN {held} THEN 'The sums disagree by ' || ({number} % 97) || '.00 EUR.' ELSE '' END"
        )
        placed = self.at(f"({count} - b.n) * {DAYS * 86_400 / count:.3f}")
        self.copy(
            "order", f'bench_n b JOIN bench_model k ON k.place = b.n % {self.models} JOIN "order" m ON m.id = k.id WHERE b.n < {count}',
            {"id": f"{FIRST_ID} + b.n", "shop_id": f"CASE WHEN {held} THEN 1 ELSE 1 + b.n % {SHOPS} END", "external_id": "'c' || b.n", "number": self.padded("b.n", 8),
             "placed_at": placed, "changed_at": placed, "updated_at": placed, "first_seen_at": placed, "seen_at": placed,
             "customer": f"{first} || ' ' || {last}", "email": email,
             "state": state, "held_codes": codes,
             "held_reason": reason,
             "reason_codes": codes, "cancel_unseen": "b.n < 0", "reread_due": "b.n < 0",
             "rows_due": "b.n < 0", "superseded_at": "NULL", "gone_at": "NULL", "gone_seen_at": "NULL"},
        )  # fmt: skip
        each, items = self.size.lines_each, self.size.stock_items
        item = f"((CAST(b.n AS bigint) * 7919 + p.n * 104729) % {items})"
        sku, key = (f"'{word}-' || {self.padded(item, 7)} || '-' || ({item} % 7)" for word in ("SKU", "sku"))
        sku, key = (
            f"CASE WHEN {missing} THEN '{word}-' || ({number} % 8) ELSE {known} END"
            for word, known in (("NEW", sku), ("new", key))
        )
        source = (
            f"bench_n b JOIN bench_n p ON p.n < {each} JOIN order_line m ON m.id = (SELECT min(id) FROM order_line) "
            f"WHERE b.n < {count}"
        )
        self.copy(
            "order_line", source,
            {"id": f"{FIRST_ID} + b.n * {each} + p.n", "order_id": f"{FIRST_ID} + b.n", "position": "p.n", "sku": sku, "sku_key": key,
             "name": f"{self.chosen(LAST_NAMES, item)} || ' bowl ' || {item}", "quantity": "1 + (b.n + p.n) % 3", "product_id": f"'c' || {item}",
             "shipped": f"CASE WHEN {held} OR b.n % 1000 < 7 OR b.n % 50 = 11 THEN 0 ELSE 1 + (b.n + p.n) % 3 END"},
        )  # fmt: skip
        self.run(
            f"INSERT INTO allocation (order_line_id, stock_item_id, units, reserved) "
            f"SELECT {FIRST_ID} + b.n * {each} + p.n, {FIRST_ID} + {item}, 1, 0 FROM bench_n b JOIN bench_n p ON p.n < {each} "
            f"WHERE b.n < {count} AND NOT ({missing})"
        )

    def _runs(self) -> None:
        kinds = "CASE b.n % 4 WHEN 0 THEN 'orders' WHEN 1 THEN 'stock' WHEN 2 THEN 'orders' ELSE 'listings' END"
        failed, partial = one_in(500, self.size.runs), one_in(900, self.size.runs)
        outcome = f"CASE WHEN b.n % {failed} = 9 THEN 'failed' WHEN b.n % {partial} = 5 THEN 'partial' ELSE 'done' END"
        ended = self.at(f"({self.size.runs} - b.n) * 7.5")
        self.copy(
            "sync_run", f"bench_n b JOIN sync_run m ON m.id = (SELECT min(id) FROM sync_run) WHERE b.n < {self.size.runs}",
            {"id": f"{FIRST_ID} + b.n", "integration_id": f"1 + b.n % {SHOPS}", "kind": kinds, "state": "'finished'", "outcome": outcome,
             "created_at": ended, "started_at": ended, "finished_at": ended, "done": "b.n % 7"},
        )  # fmt: skip
        if self.connection.scalar(text("SELECT count(*) FROM run_item")):
            self.copy(
                "run_item", f"bench_n b JOIN run_item m ON m.id = (SELECT min(id) FROM run_item) WHERE b.n < {self.size.listings}",
                {"id": f"{FIRST_ID} + b.n", "run_id": f"{FIRST_ID} + {self.size.runs} - 3", "listing_id": "NULL", "result": "'sent'"},
            )  # fmt: skip

    def _history(self) -> None:
        """Tags, ledger, shipments, write-backs, daily reconciliations, drift, audit trail."""
        self.run("INSERT INTO tag (id, name, name_key) VALUES (1, 'Gift', 'gift')")
        self.run(
            f"INSERT INTO order_tag (order_id, tag_id) SELECT {FIRST_ID} + b.n, 1 FROM bench_n b "
            f"WHERE b.n < {self.size.orders - self.models} AND b.n % 20 = 3"
        )
        items, orders = self.size.stock_items, self.size.orders - self.models
        self.copy(
            "stock_entry", f"bench_n b JOIN stock_entry m ON m.id = (SELECT min(id) FROM stock_entry) WHERE b.n < {orders}",
            {"id": f"{FIRST_ID} + b.n", "stock_item_id": f"CASE WHEN b.n % 20 = 0 THEN {FIRST_ID} ELSE {FIRST_ID} + b.n % {items} END",
             "at": self.at(f"({orders} - b.n) * 86"), "cause": "'sale'", "on_hand_change": "0", "reserved_change": "1 - 2 * (b.n / 20 % 2)",
             "order_id": f"{FIRST_ID} + b.n", "run_id": "NULL"},
        )  # fmt: skip
        sent = self.size.shipments
        failed = one_in(1000, sent)
        self.run(
            f"INSERT INTO shipment (id, order_id, carrier, tracking_number, shipped_at, actor, note, by_hand, entered_by) "
            f"SELECT {FIRST_ID} + b.n, {FIRST_ID} + b.n * 5 + 2, 'Courier', 'T' || b.n, {self.at('b.n')}, 'user:ann', '', b.n < 0, '' "
            f"FROM bench_n b WHERE b.n < {sent} AND b.n * 5 + 2 < {orders}"
        )
        self.run(
            f"INSERT INTO write_back (id, order_id, shop_id, event, tracking_numbers, state, tries, due_at, actor, created_at, "
            f"finished_at, status, sent, answer, note, error_code, error, advice) "
            f"SELECT {FIRST_ID} + b.n, {FIRST_ID} + b.n * 5 + 2, 1 + (b.n * 5 + 2) % {SHOPS}, 'shipped', '[]', "
            f"CASE WHEN b.n % {failed} = {4 % failed} THEN 'failed' ELSE 'done' END, 1, {self.at('b.n')}, 'user:ann', {self.at('b.n')}, "
            f"{self.at('b.n')}, 'S', b.n >= 0, 'S', '', '', '', '' FROM bench_n b WHERE b.n < {sent} AND b.n * 5 + 2 < {orders}"
        )
        day = f"date('now', '-' || (9 + b.n / {SHOPS}) || ' days')" if self.sqlite else f"current_date - (9 + b.n / {SHOPS})"
        days = min(orders, SHOPS * DAYS)
        differs = f"b.n % {one_in(100, days)} = 3"
        self.run(
            f"INSERT INTO daily_reconciliation (id, shop_id, day, zone, checked_at, shop_orders, our_orders, shop_totals, our_totals, difference_count, "
            f"differences) "
            f"SELECT {FIRST_ID} + b.n, 1 + b.n % {SHOPS}, {day}, 'UTC', {self.at('b.n')}, 50, 50, '{{\"EUR\": \"500.00\"}}', "
            f'\'{{"EUR": "500.00"}}\', CASE WHEN {differs} THEN 1 ELSE 0 END, CASE WHEN {differs} THEN '
            f'\'[{{"number": "7", "reason": "The totals differ.", "ours": "1.00 EUR", '
            f'"theirs": "2.00 EUR"}}]\' ELSE \'[]\' END{"" if self.sqlite else "::json"} FROM bench_n b WHERE b.n < {days}'
        )
        changed = max(self.size.listings // 10, min(self.size.listings, 2 * A_PAGE))
        self.run(
            f"INSERT INTO drift (id, listing_id, seen_at, expected, found, state, decided_by) SELECT {FIRST_ID} + b.n, {FIRST_ID} + b.n, "
            f"{self.at('b.n * 60')}, 5, 4, CASE WHEN b.n % {one_in(20, changed)} = 0 THEN 'open' ELSE 'ours' END, '' FROM bench_n b WHERE b.n < {changed}"
        )
        self.run(
            f"INSERT INTO audit_entry (id, at, actor, kind, object, object_id, integration_id, changes) SELECT {FIRST_ID} + b.n, "
            f"{self.at('b.n * 60')}, 'user:ann', 'integration.disabled', 'integration', 1 + b.n % {SHOPS}, 1 + b.n % {SHOPS}, "
            f"'[[\"enabled\", true, false]]' FROM bench_n b WHERE b.n < {orders // 10}"
        )
        self.run(
            f"INSERT INTO incident (id, integration_id, cause, since, opened_at, resolved_at, resolution, reopened, facts) "
            f"SELECT {FIRST_ID} + b.n, 1 + b.n % {SHOPS}, 'outage', {self.at('b.n * 600 + 900')}, {self.at('b.n * 600 + 600')}, "
            f"{self.at('b.n * 600')}, 'over', 0, '{{}}' FROM bench_n b WHERE b.n < {orders // 50}"
        )

    def _tidy(self, tables: list[Table]) -> None:
        for name in MADE:
            self.run(f"DROP TABLE {name}")
        if not self.sqlite:
            for table in tables:
                if "id" in table.columns:
                    self.run(
                        f"SELECT setval(pg_get_serial_sequence('\"{table.name}\"', 'id'), (SELECT max(id) FROM \"{table.name}\"))"
                    )


TABLES = (
    "shop", "integration", "flow", "stock_item", "listing", "link", "order", "order_line", "allocation", "sync_run", "run_item", "stock_entry",
    "tag", "order_tag", "shipment", "write_back", "daily_reconciliation", "drift", "audit_entry", "incident",
)  # fmt: skip
MADE = ("bench_n", "bench_word", "bench_name", "bench_model")
"""Tables of the filling itself."""


def id_of(values: tuple[str, ...]) -> str:
    return values[0].lower()
