"""Warnings before an API token expires

Revision ID: 0572
Revises: 0571
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0572"
down_revision = "0571"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_token", sa.Column("warned", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("api_token") as batch:
        batch.drop_column("warned")
