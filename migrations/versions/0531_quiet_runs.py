"""runs that found nothing to do

Revision ID: 0531
Revises: 0541
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0531"
down_revision = "0541"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With a constant default both databases add a column without a copy of the table. Runs of before are not folded.
    op.add_column("sync_run", sa.Column("quiet", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(
        "ix_sync_run_quiet", "sync_run", ["integration_id", "id"], sqlite_where=sa.text("quiet = 1"), postgresql_where=sa.text("quiet")
    )


def downgrade() -> None:
    op.drop_index("ix_sync_run_quiet", "sync_run")
    with op.batch_alter_table("sync_run") as table:
        table.drop_column("quiet")
