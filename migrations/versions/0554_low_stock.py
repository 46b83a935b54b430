"""low-stock thresholds

Revision ID: 0554
Revises: 0531
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0554"
down_revision = "0531"
branch_labels = None
depends_on = None

LOW = sa.text("low_since IS NOT NULL")


def upgrade() -> None:
    op.add_column("stock_item", sa.Column("low_at", sa.Integer(), nullable=True))
    op.add_column("stock_item", sa.Column("low_since", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_stock_item_low", "stock_item", ["low_since"], sqlite_where=LOW, postgresql_where=LOW)


def downgrade() -> None:
    op.drop_index("ix_stock_item_low", "stock_item")
    with op.batch_alter_table("stock_item") as table:
        table.drop_column("low_since")
        table.drop_column("low_at")
