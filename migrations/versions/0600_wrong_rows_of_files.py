"""rows of stock files that cannot be used are kept, and the format of files

Revision ID: 0600
Revises: 0621
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0600"
down_revision = "0621"
branch_labels = None
depends_on = None

COUNTS = ("zeroed", "raised", "lowered")


def upgrade() -> None:
    op.create_table(
        "stock_file_wrong_row",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(100), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("cells", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_file_wrong_row")),
        sa.ForeignKeyConstraint(
            ["file_id"], ["stock_file.id"], name=op.f("fk_stock_file_wrong_row_file_id_stock_file"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("ix_stock_file_wrong_row_file_id"), "stock_file_wrong_row", ["file_id"])
    with op.batch_alter_table("stock_file") as batch:
        batch.add_column(sa.Column("layout", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("causes", sa.JSON(), nullable=False, server_default="[]"))
        for name in COUNTS:
            batch.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("shipment_file") as batch:
        batch.add_column(sa.Column("layout", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("shipment_file") as batch:
        batch.drop_column("layout")
    with op.batch_alter_table("stock_file") as batch:
        for name in (*reversed(COUNTS), "causes", "layout"):
            batch.drop_column(name)
    op.drop_table("stock_file_wrong_row")
