"""workers that died in the middle of a file are counted

Revision ID: 0700
Revises: 0670
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0700"
down_revision = "0670"
branch_labels = None
depends_on = None

TABLES = ("feed_run", "stock_file")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("lost_workers", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "lost_workers")
