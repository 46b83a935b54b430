"""internal notes and tags of orders

Revision ID: 0552
Revises: 0590
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0552"
down_revision = "0590"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "order_note",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["order.id"], name=op.f("fk_order_note_order_id_order"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_note")),
    )
    op.create_index(op.f("ix_order_note_order_id"), "order_note", ["order_id"])
    op.create_table(
        "tag",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("name_key", sa.String(120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag")),
        sa.UniqueConstraint("name_key", name=op.f("uq_tag_name_key")),
    )
    op.create_table(
        "order_tag",
        sa.Column("order_id", sa.Integer(), nullable=False),
        sa.Column("tag_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["order.id"], name=op.f("fk_order_tag_order_id_order"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tag_id"], ["tag.id"], name=op.f("fk_order_tag_tag_id_tag"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("order_id", "tag_id", name=op.f("pk_order_tag")),
    )
    op.create_index("ix_order_tag_tag", "order_tag", ["tag_id", "order_id"])


def downgrade() -> None:
    op.drop_table("order_tag")
    op.drop_table("tag")
    op.drop_table("order_note")
