"""the sheet that is read of an uploaded workbook

Revision ID: 0590
Revises: 0530
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0590"
down_revision = "0530"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("stock_file") as batch:
        batch.add_column(sa.Column("sheet", sa.String(100), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("stock_file") as batch:
        batch.drop_column("sheet")
