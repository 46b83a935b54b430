"""the audit trail of every change, and holds in an order's history

Revision ID: 0530
Revises: 0572
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0530"
down_revision = "0572"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CHUNK = 1000
OLD = sa.table(
    "setting_change",
    *(sa.column(name) for name in ("id", "at", "actor", "integration_id", "subject", "name")),
    sa.column("before", sa.JSON()), sa.column("after", sa.JSON()),
)  # fmt: skip
NEW = sa.table(
    "audit_entry",
    *(sa.column(name) for name in ("id", "at", "actor", "kind", "object", "object_id", "integration_id", "subject")),
    sa.column("changes", sa.JSON()),
)


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("cause", sa.String(20), server_default="", nullable=False),
        sa.Column("kind", sa.String(50), nullable=False),
        sa.Column("object", sa.String(20), nullable=False),
        sa.Column("object_id", sa.Integer()),
        sa.Column("integration_id", sa.Integer()),
        sa.Column("subject", sa.String(255), server_default="", nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["integration_id"], ["integration.id"], name=op.f("fk_audit_entry_integration_id_integration")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    _copy(OLD, NEW, _entry)
    op.create_index("ix_audit_entry_object", "audit_entry", ["object", "object_id", "at", "id"])
    op.create_index("ix_audit_entry_integration", "audit_entry", ["integration_id", "at", "id"])
    op.create_index("ix_audit_entry_actor", "audit_entry", ["actor", "at", "id"])
    op.create_index("ix_audit_entry_at", "audit_entry", ["at", "id"])
    op.drop_table("setting_change")
    op.create_table(
        "hold_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(100), server_default="", nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["order.id"], name=op.f("fk_hold_change_order_id_order"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold_change")),
    )
    op.create_index("ix_hold_change_order_id", "hold_change", ["order_id"])


def _entry(row: Any) -> dict[str, Any]:
    """A change of a setting as an entry. Entries of before say no object but the integration; what else they were about is the subject."""
    of = "integration" if row.integration_id is not None else "installation"
    return {
        "at": row.at, "actor": row.actor, "kind": f"{of}.changed", "object": of, "object_id": row.integration_id,
        "integration_id": row.integration_id, "subject": row.subject, "changes": [[row.name, row.before, row.after]],
    }  # fmt: skip


def downgrade() -> None:
    op.drop_table("hold_change")
    op.create_table(
        "setting_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("integration_id", sa.Integer()),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("before", sa.JSON()),
        sa.Column("after", sa.JSON()),
        sa.ForeignKeyConstraint(["integration_id"], ["integration.id"], name=op.f("fk_setting_change_integration_id_integration")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_setting_change")),
    )
    with op.batch_alter_table("setting_change") as table:
        table.create_index(op.f("ix_setting_change_integration_id"), ["integration_id"])
    _copy(NEW, OLD, _setting)
    op.drop_table("audit_entry")


def _setting(row: Any) -> dict[str, Any]:
    """An earlier version has one field in a row; what an entry without one says, the name says."""
    name, before, after = (row.changes or [[row.kind, None, None]])[0]
    return {
        "at": row.at, "actor": row.actor, "integration_id": row.integration_id, "subject": row.subject, "name": name[:50],
        "before": before, "after": after,
    }  # fmt: skip


def _copy(source: Any, target: Any, made: Any) -> None:
    """Copy all rows in their order, a chunk at a time."""
    connection, last = op.get_bind(), 0
    while rows := connection.execute(sa.select(source).where(source.c.id > last).order_by(source.c.id).limit(CHUNK)).all():
        connection.execute(target.insert(), [made(row) for row in rows])
        last = rows[-1].id
