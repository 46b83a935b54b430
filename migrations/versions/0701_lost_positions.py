"""positions of events that were given out before a restore are known

Revision ID: 0701
Revises: 0700
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0701"
down_revision = "0700"
branch_labels = None
depends_on = None

NAMES = ("lost_from", "lost_to")


def upgrade() -> None:
    for name in NAMES:
        op.add_column("event_state", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    for name in NAMES:
        op.drop_column("event_state", name)
