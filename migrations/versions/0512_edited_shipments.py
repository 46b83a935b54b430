"""what shipments were before they were changed

Revision ID: 0512
Revises: 0521
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0512"
down_revision = "0521"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("shipment", sa.Column("edits", sa.JSON(), server_default="[]", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("shipment") as table:
        table.drop_column("edits")
