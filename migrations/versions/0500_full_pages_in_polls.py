"""full pages in polls

Revision ID: 0500
Revises: 0470
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0500"
down_revision = "0470"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("flow") as table:
        table.add_column(sa.Column("page_due_at", sa.DateTime(timezone=True)))
        table.add_column(sa.Column("page_digest", sa.LargeBinary(16)))
    tally = sa.table("tally", sa.column("name"), sa.column("labels"), sa.column("value"))
    op.bulk_insert(tally, [{"name": "polls", "labels": "failed", "value": 0}])


def downgrade() -> None:
    op.execute("DELETE FROM tally WHERE name = 'polls' AND labels = 'failed'")
    with op.batch_alter_table("flow") as table:
        table.drop_column("page_digest")
        table.drop_column("page_due_at")
