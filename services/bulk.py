"""Many rows of one table at once, for downloads.

SQLAlchemy's own bulk insert looks at each parameter of each row anew, which was an eighth of a whole order download. Here the
statement and what turns a column's values into the database's are made once for each set of columns; the rows then go to the
driver as they are. The columns' types and their plain defaults hold as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Dialect, Table, insert

from extensions import db

Convert = Callable[[Any], Any] | None


class BulkInsert:
    """Inserts into one table. Every row names the same columns; a column that is not named gets its default."""

    def __init__(self, table: Table):
        self.table = table
        self._made: WeakKeyDictionary[Dialect, dict[tuple[str, ...], _Made]] = WeakKeyDictionary()

    def __call__(self, rows: Sequence[dict[str, Any]]) -> None:
        """Call it inside ``writing()``, with at least one row."""
        connection = db.session.connection()
        names = tuple(rows[0])
        made = self._made.setdefault(connection.dialect, {})
        if names not in made:
            made[names] = _Made(self.table, names, connection.dialect)
        connection.exec_driver_sql(made[names].sql, made[names].converted(rows))


class _Made:
    """An insert for one set of columns in one dialect's words."""

    def __init__(self, table: Table, names: Sequence[str], dialect: Dialect):
        self.left_out = {c.name: c.default for c in table.columns if c.name not in names and c.default is not None}
        compiled = insert(table).compile(dialect=dialect, column_keys=[*names, *self.left_out])
        self.sql = str(compiled)
        self.by_name = compiled.positiontup is None
        order = compiled.positiontup or [*names, *self.left_out]
        self.converts: list[tuple[str, Convert]] = [
            (name, table.c[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in order
        ]

    def converted(self, rows: Sequence[dict[str, Any]]) -> list[Any]:
        columns = [self._column(name, convert, rows) for name, convert in self.converts]
        found = zip(*columns, strict=True)
        if not self.by_name:
            return list(found)
        names = [name for name, _ in self.converts]
        return [dict(zip(names, row, strict=True)) for row in found]

    def _column(self, name: str, convert: Convert, rows: Sequence[dict[str, Any]]) -> list[Any]:
        default = self.left_out.get(name)
        if default is not None:
            value = default.arg(None) if default.is_callable else default.arg
            return [value if convert is None else convert(value)] * len(rows)
        return [row[name] for row in rows] if convert is None else [convert(row[name]) for row in rows]
