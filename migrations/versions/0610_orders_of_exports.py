"""saved exports keep which orders they hold, and their format

Revision ID: 0610
Revises: 0620
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0610"
down_revision = "0620"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("order_export") as batch:
        batch.add_column(sa.Column("format", sa.String(4), nullable=False, server_default="csv"))
        batch.add_column(sa.Column("orders", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("order_export") as batch:
        batch.drop_column("orders")
        batch.drop_column("format")
