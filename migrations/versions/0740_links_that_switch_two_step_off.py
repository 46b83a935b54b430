"""a one-time link may switch the two-step sign-in off when it is used

Revision ID: 0740
Revises: 0730
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0740"
down_revision = "0730"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user_code", sa.Column("two_step_off", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("user_code", "two_step_off")
