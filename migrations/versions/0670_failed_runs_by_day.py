"""failed runs of an integration by day

Revision ID: 0670
Revises: 0660
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0670"
down_revision = "0660"
branch_labels = None
depends_on = None

FAILED = sa.text("outcome = 'failed'")


def upgrade() -> None:
    op.create_index(
        "ix_sync_run_failed", "sync_run", ["integration_id", "finished_at"], sqlite_where=FAILED, postgresql_where=FAILED
    )


def downgrade() -> None:
    op.drop_index("ix_sync_run_failed", "sync_run")
