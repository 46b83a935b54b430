"""undo, void and batches of shipments

Revision ID: 0510
Revises: 0520
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0510"
down_revision = "0520"
branch_labels = None
depends_on = None

IN_BATCH = sa.text("batch != ''")
NOT_DONE = sa.text("done_at IS NULL")


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    with op.batch_alter_table("shipment") as table:
        table.add_column(sa.Column("after_write_back_id", sa.Integer()))
        table.add_column(sa.Column("batch", sa.String(40), server_default="", nullable=False))
        table.add_column(sa.Column("voided_at", moment))
        table.add_column(sa.Column("voided_by", sa.String(100), server_default="", nullable=False))
        table.add_column(sa.Column("undone", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_shipment_batch", "shipment", ["batch"], sqlite_where=IN_BATCH, postgresql_where=IN_BATCH)
    with op.batch_alter_table("shipment_line") as table:
        table.add_column(sa.Column("taken", sa.JSON()))
    with op.batch_alter_table("write_back") as table:
        table.add_column(sa.Column("tried_at", moment))
        table.add_column(sa.Column("replaced_by", sa.Integer()))
    # What a run may have tried counts as tried.
    op.execute(
        "UPDATE write_back SET tried_at = created_at"
        " WHERE state IN ('sending', 'done', 'failed', 'handled') OR tries > 0 OR run_id IS NOT NULL"
    )
    with op.batch_alter_table("shipment_file") as table:
        table.add_column(sa.Column("undo_wanted_at", moment))
        table.add_column(sa.Column("undo_actor", sa.String(100), server_default="", nullable=False))
        table.add_column(sa.Column("undone_at", moment))
        table.add_column(sa.Column("kept", sa.JSON(), server_default="[]", nullable=False))
    with op.batch_alter_table("order") as table:
        table.add_column(sa.Column("reopened_status", sa.String(40), server_default="", nullable=False))
    op.create_table(
        "shop_task",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("order_id", sa.Integer(), sa.ForeignKey("order.id", ondelete="CASCADE"), nullable=False),
        sa.Column("shipment_id", sa.Integer(), sa.ForeignKey("shipment.id", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("value", sa.String(255), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("done_at", moment),
        sa.Column("done_by", sa.String(100), nullable=False),
    )
    op.create_index("ix_shop_task_order_id", "shop_task", ["order_id"])
    op.create_index("ix_shop_task_open", "shop_task", ["order_id"], sqlite_where=NOT_DONE, postgresql_where=NOT_DONE)


def downgrade() -> None:
    op.drop_table("shop_task")
    for table_name, columns in (
        ("order", ("reopened_status",)),
        ("shipment_file", ("kept", "undone_at", "undo_actor", "undo_wanted_at")),
        ("write_back", ("replaced_by", "tried_at")),
        ("shipment_line", ("taken",)),
    ):
        with op.batch_alter_table(table_name) as table:
            for name in columns:
                table.drop_column(name)
    op.drop_index("ix_shipment_batch", "shipment")
    with op.batch_alter_table("shipment") as table:
        for name in ("undone", "voided_by", "voided_at", "batch", "after_write_back_id"):
            table.drop_column(name)
