"""Raise a safety limit of 0 percent to 1, the least that the settings accept

Revision ID: 0420
Revises: 0400
"""

import sqlalchemy as sa
from alembic import op

revision = "0420"
down_revision = "0400"
branch_labels = None
depends_on = None


def upgrade() -> None:
    integration = sa.table("integration", sa.column("brake_percent", sa.Integer))
    op.execute(integration.update().where(integration.c.brake_percent < 1).values(brake_percent=1))


def downgrade() -> None:
    """1 percent is valid in the previous version, too."""
