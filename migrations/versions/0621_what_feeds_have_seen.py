"""what feeds have seen of their files and servers

Revision ID: 0621
Revises: 0610
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0621"
down_revision = "0610"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feed", sa.Column("seen_host_key", sa.Text(), nullable=False, server_default=""))
    op.add_column("feed", sa.Column("sample", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("feed_run", sa.Column("make_fed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_offer_feed", "offer", ["feed_id", "id"])


def downgrade() -> None:
    op.drop_index("ix_offer_feed", "offer")
    with op.batch_alter_table("feed_run") as batch:
        batch.drop_column("make_fed")
    with op.batch_alter_table("feed") as batch:
        batch.drop_column("sample")
        batch.drop_column("seen_host_key")
