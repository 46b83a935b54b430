"""saved exports of orders

Revision ID: 0553
Revises: 0552
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0553"
down_revision = "0552"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "order_export",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("name_key", sa.String(300), nullable=False),
        sa.Column("by", sa.String(10), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_export")),
        sa.UniqueConstraint("name_key", name=op.f("uq_order_export_name_key")),
    )


def downgrade() -> None:
    op.drop_table("order_export")
