"""suppliers, their feeds, and the offers they bring

Revision ID: 0620
Revises: 0592
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0620"
down_revision = "0592"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
UNITS = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PRESENT = sa.text("removed_at IS NULL")
FAILING = sa.text("failing_since IS NOT NULL")
LIVE = sa.text("state IN ('queued', 'running', 'waiting', 'approved')")
UNKNOWN = sa.text("stock_item_id IS NULL")
MISSED = sa.text("missed > 0")
FED = sa.text("fed")
OF_FEED = sa.text("feed_run_id IS NOT NULL")


def upgrade() -> None:
    _create_suppliers()
    _create_feeds()
    _create_runs()
    _create_offers()
    with op.batch_alter_table("stock_entry") as batch:
        batch.add_column(sa.Column("feed_run_id", sa.Integer()))
        batch.create_foreign_key(op.f("fk_stock_entry_feed_run_id_feed_run"), "feed_run", ["feed_run_id"], ["id"])
    op.create_index("ix_stock_entry_feed_run", "stock_entry", ["feed_run_id"], sqlite_where=OF_FEED, postgresql_where=OF_FEED)
    op.add_column("stock_item", sa.Column("fed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("stock_item", sa.Column("fed_rule", sa.String(5), nullable=False, server_default="sum"))
    op.create_index("ix_stock_item_fed", "stock_item", ["id"], sqlite_where=FED, postgresql_where=FED)


def downgrade() -> None:
    op.drop_index("ix_stock_item_fed", "stock_item")
    with op.batch_alter_table("stock_item") as batch:
        batch.drop_column("fed_rule")
        batch.drop_column("fed")
    op.drop_index("ix_stock_entry_feed_run", "stock_entry")
    with op.batch_alter_table("stock_entry") as batch:
        batch.drop_constraint(op.f("fk_stock_entry_feed_run_id_feed_run"), type_="foreignkey")
        batch.drop_column("feed_run_id")
    for table in ("offer", "feed_run_row", "feed_run", "feed", "supplier"):
        op.drop_table(table)


def _text(name: str, length: int = 0, default: str | None = "") -> sa.Column:
    kind = sa.String(length) if length else sa.Text()
    return sa.Column(name, kind, nullable=False, server_default=default)


def _count(name: str, default: str = "0") -> sa.Column:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=default)


def _switch(name: str, default: sa.sql.ColumnElement = sa.false()) -> sa.Column:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=default)


def _create_suppliers() -> None:
    op.create_table(
        "supplier",
        sa.Column("id", sa.Integer(), nullable=False),
        _text("name", 100, None),
        _text("name_key", 200, None),
        sa.Column("lead_days", sa.Integer()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        _text("changed_by", 100),
        sa.Column("removed_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supplier")),
    )
    op.create_index("uq_supplier_name_key", "supplier", ["name_key"], unique=True, sqlite_where=PRESENT, postgresql_where=PRESENT)


def _create_feeds() -> None:
    op.create_table(
        "feed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("supplier_id", sa.Integer(), nullable=False),
        _text("name", 100, None),
        _switch("enabled", sa.true()),
        _text("method", 10, None),
        _text("address", 500, None),
        _text("path", 500),
        _text("auth", 10, "none"),
        _text("user", 200),
        _text("parameter", 100),
        sa.Column("secret_encrypted", sa.LargeBinary()),
        _text("secret_last4", 4),
        _text("host_key"),
        _text("sheet", 100),
        sa.Column("headings", sa.JSON(), nullable=False),
        sa.Column("columns", sa.JSON()),
        _switch("delta"),
        _switch("excludes_open_orders"),
        _text("missing", 10, "keep"),
        _count("missing_after", "3"),
        _count("priority", "1"),
        sa.Column("interval_seconds", sa.Integer()),
        sa.Column("times", sa.JSON(), nullable=False),
        _text("zone", 60, "UTC"),
        _text("quiet_from", 5),
        _text("quiet_until", 5),
        sa.Column("due_at", MOMENT),
        _count("stale_after_seconds", "172800"),
        _text("when_stale", 10, "keep"),
        sa.Column("stale_since", MOMENT),
        _count("zero_percent", "20"),
        _count("rows_percent", "80"),
        _count("unreadable_percent", "2"),
        sa.Column("approved_at", MOMENT),
        _text("etag", 300),
        _text("last_modified", 100),
        _text("file_name", 300),
        sa.Column("file_size", UNITS),
        sa.Column("file_modified_at", MOMENT),
        _text("digest", 64),
        sa.Column("rows", sa.Integer()),
        sa.Column("read_at", MOMENT),
        sa.Column("succeeded_at", MOMENT),
        sa.Column("failing_since", MOMENT),
        _count("failures"),
        sa.Column("retry_at", MOMENT),
        _text("error_code", 30),
        _text("error"),
        _text("advice"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        _text("changed_by", 100),
        sa.Column("removed_at", MOMENT),
        sa.ForeignKeyConstraint(["supplier_id"], ["supplier.id"], name=op.f("fk_feed_supplier_id_supplier")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
    )
    op.create_index(op.f("ix_feed_supplier_id"), "feed", ["supplier_id"])
    op.create_index("ix_feed_due", "feed", ["due_at"], sqlite_where=PRESENT, postgresql_where=PRESENT)
    op.create_index("ix_feed_failing", "feed", ["failing_since"], sqlite_where=FAILING, postgresql_where=FAILING)


def _create_runs() -> None:
    op.create_table(
        "feed_run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("feed_id", sa.Integer(), nullable=False),
        _text("state", 10, None),
        _text("trigger", 10, "schedule"),
        _text("actor", 100, None),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("decided_at", MOMENT),
        _text("decided_by", 100),
        _text("file_name", 300),
        sa.Column("file_size", UNITS),
        sa.Column("file_modified_at", MOMENT),
        _text("etag", 300),
        _text("last_modified", 100),
        _text("digest", 64),
        sa.Column("seen_at", MOMENT),
        *(_count(name) for name in ("rows", "changed", "zeroed", "unknown", "unreadable", "missing", "items")),
        sa.Column("problems", sa.JSON(), nullable=False),
        _text("error_code", 30),
        _text("error"),
        _text("advice"),
        sa.Column("before", sa.JSON()),
        _text("token", 32),
        sa.Column("lease_until", MOMENT),
        sa.ForeignKeyConstraint(["feed_id"], ["feed.id"], name=op.f("fk_feed_run_feed_id_feed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_run")),
    )
    op.create_index("ix_feed_run_feed", "feed_run", ["feed_id", "id"])
    op.create_index("uq_feed_run_live", "feed_run", ["feed_id"], unique=True, sqlite_where=LIVE, postgresql_where=LIVE)
    op.create_index("ix_feed_run_finished", "feed_run", ["finished_at"])
    op.create_table(
        "feed_run_row",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        _text("kind", 10, None),
        sa.Column("line", sa.Integer(), nullable=False),
        _text("code", 255, None),
        _text("code_key", 255, None),
        sa.Column("offer_id", sa.Integer()),
        sa.Column("stock_item_id", sa.Integer()),
        sa.Column("quantity", UNITS),
        sa.Column("before", UNITS),
        _count("before_missed"),
        sa.Column("before_seen_at", MOMENT),
        _text("problem"),
        sa.ForeignKeyConstraint(["run_id"], ["feed_run.id"], name=op.f("fk_feed_run_row_run_id_feed_run"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["stock_item_id"], ["stock_item.id"], name=op.f("fk_feed_run_row_stock_item_id_stock_item")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_run_row")),
    )
    op.create_index("ix_feed_run_row_run_kind", "feed_run_row", ["run_id", "kind", "id"])
    op.create_index("ix_feed_run_row_run_code_key", "feed_run_row", ["run_id", "code_key"])
    op.create_index("ix_feed_run_row_stock_item", "feed_run_row", ["stock_item_id"])


def _create_offers() -> None:
    op.create_table(
        "offer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("feed_id", sa.Integer(), nullable=False),
        _text("code", 255, None),
        _text("code_key", 255, None),
        sa.Column("stock_item_id", sa.Integer()),
        _text("linked_by", 10),
        _switch("ignored"),
        sa.Column("units", UNITS, nullable=False, server_default="1"),
        sa.Column("quantity", UNITS, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        _count("missed"),
        sa.ForeignKeyConstraint(["feed_id"], ["feed.id"], name=op.f("fk_offer_feed_id_feed")),
        sa.ForeignKeyConstraint(["stock_item_id"], ["stock_item.id"], name=op.f("fk_offer_stock_item_id_stock_item")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer")),
        sa.UniqueConstraint("feed_id", "code_key", name=op.f("uq_offer_feed_id")),
    )
    op.create_index(op.f("ix_offer_stock_item_id"), "offer", ["stock_item_id"])
    op.create_index("ix_offer_unknown", "offer", ["feed_id", "id"], sqlite_where=UNKNOWN, postgresql_where=UNKNOWN)
    op.create_index("ix_offer_missed", "offer", ["feed_id", "id"], sqlite_where=MISSED, postgresql_where=MISSED)
