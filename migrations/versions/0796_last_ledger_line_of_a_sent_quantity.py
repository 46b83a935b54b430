"""a quantity that was sent says which line of the stock ledger was the last one in it

Revision ID: 0796
Revises: 0810
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0796"
down_revision = "0810"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run_item", sa.Column("last_entry_id", sa.Integer, nullable=True))


def downgrade() -> None:
    op.drop_column("run_item", "last_entry_id")
