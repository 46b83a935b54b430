"""where and when saved exports are delivered, and what was delivered

Revision ID: 0611
Revises: 0600
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0611"
down_revision = "0600"
branch_labels = None
depends_on = None
OPEN = sa.text("resolved_at IS NULL")
LIVE = sa.text("state IN ('waiting', 'failing')")
FIRST = sa.text("state IN ('waiting', 'failing') AND repeats IS NULL")
FAILING = sa.text("failing_since IS NOT NULL")


def upgrade() -> None:
    _create_targets()
    _create_deliveries()
    with op.batch_alter_table("incident") as batch:
        batch.add_column(sa.Column("order_export_id", sa.Integer(), nullable=True))
        batch.create_foreign_key(
            op.f("fk_incident_order_export_id_order_export"), "order_export", ["order_export_id"], ["id"], ondelete="SET NULL"
        )
    op.create_index(
        "uq_incident_open_export", "incident", ["order_export_id", "cause"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN
    )


def downgrade() -> None:
    op.drop_index("uq_incident_open_export", "incident")
    for table in ("notification", "incident_event"):
        op.execute(f"DELETE FROM {table} WHERE incident_id IN (SELECT id FROM incident WHERE cause = 'export_failing')")
    op.execute("DELETE FROM incident WHERE cause = 'export_failing'")
    with op.batch_alter_table("incident") as batch:
        batch.drop_constraint(op.f("fk_incident_order_export_id_order_export"), type_="foreignkey")
        batch.drop_column("order_export_id")
    for table in ("export_delivery_part", "export_delivery_order", "export_delivery", "export_target"):
        op.drop_table(table)


def _create_targets() -> None:
    op.create_table(
        "export_target",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("export_id", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("recipients", sa.JSON(), nullable=False),
        sa.Column("address", sa.String(length=500), server_default="", nullable=False),
        sa.Column("path", sa.String(length=500), server_default="", nullable=False),
        sa.Column("auth", sa.String(length=10), server_default="none", nullable=False),
        sa.Column("user", sa.String(length=200), server_default="", nullable=False),
        sa.Column("parameter", sa.String(length=100), server_default="", nullable=False),
        sa.Column("secret_encrypted", sa.LargeBinary(), nullable=True),
        sa.Column("secret_last4", sa.String(length=4), server_default="", nullable=False),
        sa.Column("host_key", sa.Text(), server_default="", nullable=False),
        sa.Column("offered_key", sa.Text(), server_default="", nullable=False),
        sa.Column("interval_seconds", sa.Integer(), nullable=True),
        sa.Column("times", sa.JSON(), nullable=False),
        sa.Column("zone", sa.String(length=60), server_default="UTC", nullable=False),
        sa.Column("quiet_from", sa.String(length=5), server_default="", nullable=False),
        sa.Column("quiet_until", sa.String(length=5), server_default="", nullable=False),
        sa.Column("only_new", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("send_empty", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("placed_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_by", sa.String(length=100), server_default="", nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error_code", sa.String(length=30), server_default="", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("advice", sa.Text(), server_default="", nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token", sa.String(length=32), server_default="", nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=100), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["export_id"], ["order_export.id"], name=op.f("fk_export_target_export_id_order_export"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_target")),
        sa.UniqueConstraint("export_id", name=op.f("uq_export_target_export_id"))
    )
    op.create_index(op.f("ix_export_target_due_at"), "export_target", ["due_at"])
    op.create_index("ix_export_target_failing", "export_target", ["failing_since"], sqlite_where=FAILING, postgresql_where=FAILING)


def _create_deliveries() -> None:
    op.create_table(
        "export_delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("export_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("by", sa.String(length=10), nullable=False),
        sa.Column("format", sa.String(length=4), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("file_name", sa.String(length=200), server_default="", nullable=False),
        sa.Column("key", sa.String(length=36), nullable=False),
        sa.Column("trigger", sa.String(length=10), nullable=False),
        sa.Column("actor", sa.String(length=100), server_default="", nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("repeats", sa.Integer(), nullable=True),
        sa.Column("method", sa.String(length=10), server_default="", nullable=False),
        sa.Column("place", sa.Text(), server_default="", nullable=False),
        sa.Column("reached", sa.JSON(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("digest", sa.String(length=64), server_default="", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error_code", sa.String(length=30), server_default="", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("advice", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["export_id"], ["order_export.id"], name=op.f("fk_export_delivery_export_id_order_export"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["repeats"], ["export_delivery.id"], name=op.f("fk_export_delivery_repeats_export_delivery"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_delivery"))
    )
    op.create_index("ix_export_delivery_export", "export_delivery", ["export_id", "id"])
    op.create_index("ix_export_delivery_finished", "export_delivery", ["finished_at"])
    op.create_index("ix_export_delivery_live", "export_delivery", ["export_id", "state"], sqlite_where=LIVE, postgresql_where=LIVE)
    op.create_index("uq_export_delivery_first", "export_delivery", ["export_id"], unique=True, sqlite_where=FIRST, postgresql_where=FIRST)
    op.create_table(
        "export_delivery_order",
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Integer(), nullable=False),
        sa.Column("once_for", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["export_delivery.id"], name=op.f("fk_export_delivery_order_delivery_id_export_delivery"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["once_for"], ["order_export.id"], name=op.f("fk_export_delivery_order_once_for_order_export"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["order_id"], ["order.id"], name=op.f("fk_export_delivery_order_order_id_order"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("delivery_id", "position", name=op.f("pk_export_delivery_order"))
    )
    op.create_index(op.f("ix_export_delivery_order_order_id"), "export_delivery_order", ["order_id"])
    op.create_index("uq_export_delivery_order_once", "export_delivery_order", ["once_for", "order_id"], unique=True)
    op.create_table(
        "export_delivery_part",
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["export_delivery.id"], name=op.f("fk_export_delivery_part_delivery_id_export_delivery"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("delivery_id", "position", name=op.f("pk_export_delivery_part"))
    )
