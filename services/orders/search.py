"""The search over orders: by the beginnings of words of number, SKU, customer and email address, and by whole tracking numbers.

``order_search`` has a row for each order: an FTS5 table on SQLite, a ``tsvector`` with a GIN index on PostgreSQL. Both get the words as
services/common/words.py makes them, with no parser or stemmer of their own, so that they find the same. Words that only readers
who may see customers can search for are apart (``personal``).

The index is written in the transaction that writes the order (services/orders/kept_rows.py). Orders from before it existed are added in the
background (``fill``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
    table,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR

from extensions import db, reading, writing
from models import Integration, Order, OrderLine, Setting, Shipment
from models.sku_key import sku_key
from services.common import installation
from services.common.batches import BATCH, batches
from services.common.bulk import Bulk
from services.common.words import words_of
from services.order_basics import numbers

MOST_WORDS = 4_000
"""Words of one order that can be searched for. PostgreSQL counts the places of words up to 16,383."""
MOST_FOUND = 2_001
"""Orders that a search gives: the newest here. Words that fit more of them would take long to sort, and nobody reads so many. One more
than lists count, so that a list says that there are more."""
NEAR, COMMON = 10_000, 100
"""If at least so many of the newest so many orders have a word, PostgreSQL finds it sooner without its index."""
FILLED_TO = "order_search_filled_to"
MERGE_DUE = "order_search_merge_due"
MERGE_PAGES = 500
"""Pages that one step of merging writes: some milliseconds."""

_INSERT = "INSERT INTO order_search (rowid, public, personal) VALUES (:id, :public, :personal)"
INSERT_WORDS, REPLACE_WORDS = Bulk(text(_INSERT)), Bulk(text(_INSERT.replace("INSERT", "INSERT OR REPLACE", 1)))
INSERT_VECTORS = Bulk(
    text(
        "INSERT INTO order_search (order_id, words) VALUES (:id, CAST(:words AS tsvector)) "
        "ON CONFLICT (order_id) DO UPDATE SET words = excluded.words"
    )
)
_sqlite = table("order_search", column("rowid"), column("public"), column("personal"))
_postgresql = table("order_search", column("order_id"), column("words", TSVECTOR))

LONGEST_NUMBER = 255
"""Letters and digits of a tracking number that are compared: one of that many characters can be written out with more."""


class Searched(NamedTuple):
    """What an order is searched by. ``skus`` are those of its lines, ``tracking`` the tracking numbers that its shop shows."""

    order_id: int
    number: str
    customer: str
    email: str
    skus: Sequence[str]
    tracking: Sequence[str] = ()

    @property
    def public(self) -> list[str]:
        words = words_of(self.number)
        # 00042 is found by 42 too.
        words += [bare for word in words if word.isdigit() and (bare := word.lstrip("0")) not in ("", word)]
        for sku in {sku_key(each): each for each in self.skus}.values():
            words += words_of(sku)
        return words[:MOST_WORDS]

    @property
    def personal(self) -> list[str]:
        parcels = [word for number in self.tracking if (word := parcel_word(number))]
        return (words_of(self.customer) + words_of(self.email) + parcels)[:MOST_WORDS]


def parcel_word(tracking_number: str) -> str:
    """A whole tracking number as one word of the index, empty where it has no letter or digit. What people type never makes a word with the
    marks around it, so no beginning of a number finds it. PostgreSQL takes no word of more than 2,046 bytes."""
    whole = "".join(words_of(tracking_number))[:LONGEST_NUMBER]
    return f"№{whole}№" if whole else ""


def write(orders: Iterable[Searched], *, new: bool = False) -> None:
    """Add orders to the index, or replace what it has of them; ``new`` ones are in no index yet. Call it inside ``writing()``."""
    connection = db.session.connection()
    if connection.dialect.name == "sqlite":
        rows = [
            {"id": each.order_id, "public": " ".join(each.public), "personal": " ".join(each.personal)} for each in orders
        ]  # fmt: skip
        statement = INSERT_WORDS if new else REPLACE_WORDS
    else:
        rows = [{"id": each.order_id, "words": _vector(each)} for each in orders]
        statement = INSERT_VECTORS
    statement.execute(connection, rows)


def _vector(order: Searched) -> str:
    """As PostgreSQL writes a ``tsvector``. Public words have the weight A. Between them and the personal ones is a gap: a phrase does not
    go from one to the other, as it does not between columns of FTS5."""
    places: dict[str, list[str]] = {}
    public = order.public
    for place, word in enumerate(public, 1):
        places.setdefault(word, []).append(f"{place}A")
    for place, word in enumerate(order.personal, len(public) + 3):
        places.setdefault(word, []).append(str(place))
    return " ".join(f"'{word}':{','.join(each)}" for word, each in places.items())


def rewrite(order_ids: Iterable[int]) -> None:
    """Make the rows of stored orders again. Call it inside ``writing()``, with all changes flushed."""
    ids = sorted(set(order_ids))
    for batch in batches(ids):
        write(_stored(batch))


def _stored(ids: Sequence[int]) -> list[Searched]:
    connection = db.session.connection()
    orders, lines = Order.__table__.c, OrderLine.__table__.c
    skus: dict[int, list[str]] = {}
    for order_id, sku in connection.execute(select(lines.order_id, lines.sku).where(lines.order_id.in_(ids)).order_by(lines.id)):
        skus.setdefault(order_id, []).append(sku)
    query = select(orders.id, orders.number, orders.customer, orders.email, orders.tracking_numbers).where(orders.id.in_(ids))
    return [
        Searched(row.id, row.number, row.customer, row.email, skus.get(row.id, ()), row.tracking_numbers)
        for row in connection.execute(query)
    ]


def found_by(search: str, *, with_customers: bool, most: int = MOST_FOUND) -> ColumnElement[bool]:
    """The condition on Order that a person's search stands for: each word they typed begins a word of the order, and what has no blank
    inside (``2024-001``, ``ann@shop.example``) stands together. The shop's own id finds its order too, and ``id:7`` nothing else.
    Of more than ``most`` orders the newest here are found. A whole tracking number finds the orders that were shipped with it, here or in
    the shop."""
    named = numbers.parse(search)
    if not named.numbers:
        return Order.external_id == named.external_id
    present = select(Integration.shop_id).where(Integration.removed_at.is_(None))
    by_id = select(Order.id).where(Order.shop_id.in_(present), Order.external_id == named.numbers[-1])
    phrases = [words for part in search.split() if (words := words_of(part))]
    if not phrases:
        return Order.id.in_(by_id)
    parcel = parcel_word(search) if with_customers else ""
    by_parcel = [select(Shipment.order_id).where(has_tracking(search))] if with_customers else []
    return Order.id.in_(union_all(_matching(phrases, parcel, with_customers, most), by_id, *by_parcel))


def has_tracking(search: str) -> ColumnElement[bool]:
    """The condition on Shipment that a search is its whole tracking number. Carriers write them in capital letters."""
    typed = search.strip()
    return Shipment.tracking_number.in_({typed, typed.upper()})


def _matching(phrases: Sequence[Sequence[str]], parcel: str, with_customers: bool, most: int) -> Select[Any]:
    """The newest orders with all of these phrases, or with this parcel's word. One question for both: each has to be asked of many orders."""
    if db.session.get_bind().dialect.name == "sqlite":
        quoted = " AND ".join(f'"{" ".join(words)}" *' for words in phrases)
        query = f'({quoted}) OR "{parcel}"' if parcel else quoted
        ids = (
            select(_sqlite.c.rowid.label("id"))
            .where(literal_column("order_search").op("MATCH")(query if with_customers else f"{{public}} : ({query})"))
            .order_by(_sqlite.c.rowid.desc())
        )
    else:
        marks = "" if with_customers else "A"
        quoted = " & ".join(" <-> ".join(_lexemes(words, marks)) for words in phrases)
        ids = _newest_on_postgresql(f"({quoted}) | '{parcel}'" if parcel else quoted)
    return select(ids.limit(most).subquery().c.id)


def _newest_on_postgresql(quoted: str) -> Select[Any]:
    """The ids of the orders that a query of PostgreSQL's text search finds, the newest first.

    It cannot estimate how many orders have a word that begins so: for a rare one it would read all orders from the newest on, and for a common
    one the whole index. So a word that enough of the newest orders have is looked for from the newest on, any other in the index."""
    newest_first = select(_postgresql.c.order_id, _postgresql.c.words).order_by(_postgresql.c.order_id.desc())
    near = _having(quoted, newest_first.limit(NEAR).subquery()).limit(COMMON).subquery()
    if db.session.scalar(select(func.count()).select_from(near)) == COMMON:
        # With an offset a subquery is planned apart, in its order.
        found = _having(quoted, newest_first.offset(0).subquery())
    else:
        every = _having(quoted, _postgresql).cte("every", nesting=True).prefix_with("MATERIALIZED", dialect="postgresql")
        found = select(every.c.id)
    return found.order_by(literal_column("id").desc())


def _having(quoted: str, rows: FromClause) -> Select[Any]:
    return select(rows.c.order_id.label("id")).where(rows.c.words.op("@@")(cast(literal(quoted), TSQUERY)))


def _lexemes(words: Sequence[str], marks: str) -> list[str]:
    """The words of a phrase as PostgreSQL writes them; the last may go on."""
    return [*(f"'{word}'{':' + marks if marks else ''}" for word in words[:-1]), f"'{words[-1]}':*{marks}"]


def erase(order_ids: Iterable[int]) -> None:
    """Make the rows again of orders whose customers were erased, and have what was in them taken out of the file by ``merge``. Call it inside
    ``writing()``."""
    rewrite(order_ids)
    if db.session.connection().dialect.name == "sqlite":
        db.session.merge(Setting(name=MERGE_DUE, value=1, changed_by="erasing"))


def merge(stopping: Callable[[], bool] = lambda: False) -> None:
    """Take words that were erased out of the index. FTS5 keeps them, marked as deleted, until it merges the parts of its index; here all are
    merged into one, in steps of short transactions. What the file gives up is overwritten (``extensions``)."""
    pages = -MERGE_PAGES  # Below zero: all parts, as the first step.
    with reading():
        if not installation.read_setting(MERGE_DUE):
            return
    while not stopping():
        with writing():
            connection: Any = db.session.connection().connection.driver_connection
            before = connection.total_changes
            db.session.execute(text("INSERT INTO order_search (order_search, rank) VALUES ('merge', :pages)"), {"pages": pages})
            changed = connection.total_changes - before
        pages = MERGE_PAGES
        if changed < 2:  # FTS5's way to say that nothing is left to merge.
            installation.change_setting(MERGE_DUE, None, "erasing")
            return


def is_work_due() -> bool:
    """Whether there is something for ``fill`` or ``merge``."""
    return is_fill_due() or installation.read_setting(MERGE_DUE) is not None


def is_fill_due() -> bool:
    """Whether there are orders from before the index existed that are not in it yet."""
    return installation.read_setting(FILLED_TO) is not None


def _locked(ids: Sequence[int], *, skip_locked: bool = False) -> Sequence[int]:
    """Those of these orders that are there, locked: what is read of them now is still so when it is written. An order that was changed or erased in
    between would be found by what it was."""
    query = select(Order.id).where(Order.id.in_(ids)).order_by(Order.id).with_for_update(read=True, skip_locked=skip_locked)
    return db.session.scalars(query).all()


def fill(stopping: Callable[[], bool] = lambda: False) -> None:
    """Add the orders from before the index existed, from the oldest on; goes on where it was stopped."""
    while not stopping():
        with reading():
            after = installation.read_setting(FILLED_TO)
            if after is None:
                return
            ids = list(db.session.scalars(select(Order.id).where(Order.id > after).order_by(Order.id).limit(BATCH)))
        with writing():
            free = _locked(ids, skip_locked=True)
            rewrite(free)
        for order_id in sorted({*ids} - {*free}):
            # One by one: who holds it may wait for another one of them.
            with writing():
                rewrite(_locked([order_id]))
        installation.change_setting(FILLED_TO, ids[-1] if ids else None, "schedule")
