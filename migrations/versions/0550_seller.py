"""the seller on printed documents

Revision ID: 0550
Revises: 0481
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0550"
down_revision = "0481"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "seller",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("footer", sa.Text(), nullable=False),
        sa.Column("logo", sa.LargeBinary(), nullable=True),
        sa.Column("logo_type", sa.String(20), nullable=False),
        sa.Column("logo_digest", sa.String(20), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_seller"),
    )


def downgrade() -> None:
    op.drop_table("seller")
