"""removed shops whose orders reserve nothing

Revision ID: 0511
Revises: 0510
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0511"
down_revision = "0510"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("shop", sa.Column("released_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    with op.batch_alter_table("shop") as table:
        table.drop_column("released_at")
