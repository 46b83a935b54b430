"""daily reconciliations that name a difference are found by an index

Revision ID: 0710
Revises: 0701
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0710"
down_revision = "0701"
branch_labels = None
depends_on = None

SOME = sa.text("difference_count > 0")


def upgrade() -> None:
    op.add_column("daily_reconciliation", sa.Column("difference_count", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE daily_reconciliation SET difference_count = json_array_length(differences) WHERE CAST(differences AS text) <> '[]'")
    op.create_index(
        "ix_daily_reconciliation_different", "daily_reconciliation", ["shop_id", "day"], sqlite_where=SOME, postgresql_where=SOME
    )
    op.create_index("ix_daily_reconciliation_differences", "daily_reconciliation", ["difference_count", "day", "id"])


def downgrade() -> None:
    op.drop_index("ix_daily_reconciliation_differences", "daily_reconciliation")
    op.drop_index("ix_daily_reconciliation_different", "daily_reconciliation")
    op.drop_column("daily_reconciliation", "difference_count")
