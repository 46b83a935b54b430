"""the event log

Revision ID: 0520
Revises: 0480

The triggers that fill it are put in place after the migrations (migrations/env.py).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0520"
down_revision = "0480"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def _who() -> list[sa.Column]:
    return [
        sa.Column("hidden", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("actor", sa.String(100), server_default="", nullable=False),
        sa.Column("cause", sa.String(20), server_default="", nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    ]


def upgrade() -> None:
    state = op.create_table(
        "event_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("transaction_number", NUMBER, nullable=False),
        sa.Column("actor", sa.String(100), server_default="", nullable=False),
        sa.Column("cause", sa.String(20), server_default="", nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        sa.Column("dropped_to", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_state")),
    )
    op.bulk_insert(state, [{"id": 1, "transaction_number": 0, "position": 0, "dropped_to": 0}])
    op.create_table(
        "event_change",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("transaction_number", NUMBER, nullable=False),
        sa.Column("object", sa.String(20), nullable=False),
        sa.Column("object_id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer()),
        sa.Column("act", sa.String(1), nullable=False),
        sa.Column("was", sa.JSON()),
        sa.Column("now", sa.JSON()),
        *_who(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_change")),
    )
    op.create_index("uq_event_change", "event_change", ["transaction_number", "object", "object_id"], unique=True)
    op.create_table(
        "event_object",
        sa.Column("object", sa.String(20), nullable=False),
        sa.Column("object_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("object", "object_id", name=op.f("pk_event_object")),
    )
    op.create_table(
        "event",
        sa.Column("position", NUMBER, autoincrement=False, nullable=False),
        sa.Column("key", sa.String(36), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("object", sa.String(20), nullable=False),
        sa.Column("object_id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer()),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        *_who(),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_event")),
        sa.UniqueConstraint("key", name=op.f("uq_event_key")),
    )
    op.create_index("ix_event_at", "event", ["at"])


def downgrade() -> None:
    for name in ("event", "event_object", "event_change", "event_state"):
        op.drop_table(name)
