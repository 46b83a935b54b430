"""a stock file that takes another one back says which

Revision ID: 0760
Revises: 0750
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0760"
down_revision = "0750"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stock_file", sa.Column("undoes_id", sa.Integer, nullable=True))


def downgrade() -> None:
    op.drop_column("stock_file", "undoes_id")
