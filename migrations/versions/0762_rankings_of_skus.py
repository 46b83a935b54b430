"""the first SKUs of long sales reports are kept for a while

Revision ID: 0762
Revises: 0761
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0762"
down_revision = "0761"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sku_ranking",
        sa.Column("shop_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("days", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("sort", sa.String(10), nullable=False),
        sa.Column("first_day", sa.Date, nullable=False),
        sa.Column("last_day", sa.Date, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("skus", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "days", "sort", name=op.f("pk_sku_ranking")),
    )


def downgrade() -> None:
    op.drop_table("sku_ranking")
