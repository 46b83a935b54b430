"""the program whose export a file of tracking numbers was recognised as

Revision ID: 0591
Revises: 0553
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0591"
down_revision = "0553"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("shipment_file") as batch:
        batch.add_column(sa.Column("read_as", sa.String(100), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("shipment_file") as batch:
        batch.drop_column("read_as")
