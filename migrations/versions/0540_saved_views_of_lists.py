"""saved views and chosen columns of lists, and an index of runs that ended with trouble

Revision ID: 0540
Revises: 0551
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0540"
down_revision = "0551"
branch_labels = None
depends_on = None

TROUBLED = sa.text("outcome IN ('failed', 'partial', 'waiting', 'lost', 'stopped')")


def upgrade() -> None:
    op.create_table(
        "list_view",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("list_name", sa.String(20), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("name_key", sa.String(200), nullable=False),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_list_view_user_id_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_list_view")),
        sa.UniqueConstraint("user_id", "list_name", "name_key", name=op.f("uq_list_view_user_id")),
    )
    op.create_index("ix_sync_run_troubled", "sync_run", ["outcome", "id"], sqlite_where=TROUBLED, postgresql_where=TROUBLED)


def downgrade() -> None:
    op.drop_index("ix_sync_run_troubled", "sync_run")
    op.drop_table("list_view")
