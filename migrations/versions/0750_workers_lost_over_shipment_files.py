"""a shipment file counts the workers that died in a row over one of its rows

Revision ID: 0750
Revises: 0740
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0750"
down_revision = "0740"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("shipment_file", sa.Column("lost_workers", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("shipment_file", "lost_workers")
