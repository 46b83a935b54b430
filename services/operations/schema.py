"""Which schema this code needs and which the database has, by the revisions of migrations/versions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from alembic.script import ScriptDirectory
from sqlalchemy import column, inspect, select, table

from config import ROOT
from extensions import db, reading

OLDER, SAME, NEWER, EMPTY = "older", "same", "newer", "empty"
UPGRADE = "Run `flask --app app db upgrade`."
NEWER_CODE = "Start the version of Cartlink that belongs to it, or restore the backup made before the upgrade."


@dataclass(frozen=True, slots=True)
class Standing:
    """``place`` compares the database with what this code needs: older, same, newer, or empty (no tables at all)."""

    place: str
    revision: str
    head: str

    @property
    def sentence(self) -> str:
        """What is wrong, in one sentence; empty if nothing is."""
        return {
            OLDER: f"The database is at schema {self.revision}, and this version of Cartlink needs {self.head}.",
            NEWER: f"The database is at schema {self.revision}, which this version of Cartlink does not know.",
            EMPTY: "The database has no tables yet.",
        }.get(self.place, "")

    @property
    def advice(self) -> str:
        return {OLDER: UPGRADE, EMPTY: UPGRADE, NEWER: NEWER_CODE}.get(self.place, "")


@cache
def _revisions() -> tuple[str, frozenset[str]]:
    script = ScriptDirectory(str(ROOT / "migrations"))
    return script.get_current_head() or "", frozenset(each.revision for each in script.walk_revisions())


def head() -> str:
    """The newest revision this code knows."""
    return _revisions()[0]


def knows(revision: str) -> bool:
    return revision in _revisions()[1]


def standing() -> Standing:
    """Raises SQLAlchemyError if the database does not answer."""
    version = table("alembic_version", column("version_num"))
    with reading() as session:
        revision = session.scalar(select(version.c.version_num)) if inspect(db.engine).has_table("alembic_version") else None
    return standing_of(revision)


def standing_of(revision: str | None) -> Standing:
    if not revision:
        return Standing(EMPTY, "", head())
    place = SAME if revision == head() else OLDER if knows(revision) else NEWER
    return Standing(place, revision, head())
