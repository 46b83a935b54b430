"""when a sent quantity was worked out is a time in UTC on PostgreSQL too, whatever the time zone of its server is

Revision ID: 0781
Revises: 0780
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0781"
down_revision = "0780"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        # Of the zone that it was written in, which is that of the server. Nothing where 0761 has made the column as it is now.
        op.alter_column("run_item", "as_of", type_=sa.DateTime(timezone=True), existing_nullable=True)


def downgrade() -> None:
    pass
