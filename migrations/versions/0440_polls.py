"""polls of orders flows

Revision ID: 0440
Revises: 0411
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0440"
down_revision = "0411"
branch_labels = None
depends_on = None

POLLED = sa.text("poll_due_at IS NOT NULL")


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    with op.batch_alter_table("flow") as table:
        table.add_column(sa.Column("poll_due_at", moment))
        table.add_column(sa.Column("polled_at", moment))
        table.add_column(sa.Column("polled_on", sa.Date()))
        table.add_column(sa.Column("polls", sa.Integer(), server_default="0", nullable=False))
        table.add_column(sa.Column("newest", sa.LargeBinary(16)))
        table.add_column(sa.Column("changed_at", moment))
        table.add_column(sa.Column("slow", sa.Boolean(), server_default=sa.false(), nullable=False))
    tally = sa.table("tally", sa.column("name"), sa.column("labels"), sa.column("value"))
    op.bulk_insert(tally, [{"name": "polls", "labels": found, "value": 0} for found in ("changed", "same")])
    op.create_index("ix_flow_poll_due", "flow", ["slow", "poll_due_at"], sqlite_where=POLLED, postgresql_where=POLLED)


def downgrade() -> None:
    op.execute("DELETE FROM tally WHERE name = 'polls'")
    op.drop_index("ix_flow_poll_due", "flow")
    with op.batch_alter_table("flow") as table:
        for name in ("slow", "changed_at", "newest", "polls", "polled_on", "polled_at", "poll_due_at"):
            table.drop_column(name)
