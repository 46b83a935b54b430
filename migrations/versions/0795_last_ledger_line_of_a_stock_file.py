"""a stock file that was applied says which line of the stock ledger was the last one then

Revision ID: 0795
Revises: 0790
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0795"
down_revision = "0790"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stock_file", sa.Column("last_entry_id", sa.Integer, nullable=True))


def downgrade() -> None:
    op.drop_column("stock_file", "last_entry_id")
