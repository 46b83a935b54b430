"""columns of files that a person assigns, and presets of them

Revision ID: 0592
Revises: 0554
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0592"
down_revision = "0554"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "file_preset",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("headings", sa.JSON(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file_preset")),
        sa.UniqueConstraint("kind", "digest", name=op.f("uq_file_preset_kind")),
    )
    with op.batch_alter_table("stock_file") as batch:
        batch.add_column(sa.Column("columns", sa.JSON(), nullable=True))
    with op.batch_alter_table("shipment_file") as batch:
        batch.add_column(sa.Column("asks", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.add_column(sa.Column("columns", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("content", sa.LargeBinary(), nullable=True))
        batch.add_column(sa.Column("sheet", sa.String(100), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("shipment_file") as batch:
        for name in ("sheet", "content", "columns", "asks"):
            batch.drop_column(name)
    with op.batch_alter_table("stock_file") as batch:
        batch.drop_column("columns")
    op.drop_table("file_preset")
