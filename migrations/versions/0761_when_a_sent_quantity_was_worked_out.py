"""a row of a stock update says when the quantity that was sent was worked out

Revision ID: 0761
Revises: 0760
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0761"
down_revision = "0760"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run_item", sa.Column("as_of", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("run_item", "as_of")
