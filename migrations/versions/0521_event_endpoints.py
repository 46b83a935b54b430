"""event endpoints

Revision ID: 0521
Revises: 0511
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0521"
down_revision = "0511"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
WAITING = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.create_table(
        "event_endpoint",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("place", sa.String(300), nullable=False),
        sa.Column("url_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("secret_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret_encrypted", sa.LargeBinary()),
        sa.Column("previous_until", MOMENT),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        sa.Column("failing_since", MOMENT),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("warned", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("paused_at", MOMENT),
        sa.Column("paused_for", sa.String(10), server_default="", nullable=False),
        sa.Column("good_at", MOMENT),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("token", sa.String(32), server_default="", nullable=False),
        sa.Column("lease_until", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("changed_by", sa.String(100), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_endpoint")),
    )
    op.create_table(
        "event_delivery",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("endpoint_id", sa.Integer(), nullable=False),
        sa.Column("position", NUMBER),
        sa.Column("key", sa.String(36), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("content", sa.JSON()),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["event_endpoint.id"], name=op.f("fk_event_delivery_endpoint_id_event_endpoint"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_delivery")),
    )
    op.create_index("ix_event_delivery_endpoint", "event_delivery", ["endpoint_id", "id"])
    op.create_index(
        "ix_event_delivery_waiting", "event_delivery", ["endpoint_id", "due_at"], sqlite_where=WAITING, postgresql_where=WAITING
    )
    op.create_index("ix_event_delivery_created", "event_delivery", ["created_at"])
    op.create_table(
        "event_attempt",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("delivery_id", NUMBER, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["event_delivery.id"], name=op.f("fk_event_attempt_delivery_id_event_delivery"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_attempt")),
    )
    op.create_index(op.f("ix_event_attempt_delivery_id"), "event_attempt", ["delivery_id"])


def downgrade() -> None:
    for name in ("event_attempt", "event_delivery", "event_endpoint"):
        op.drop_table(name)
