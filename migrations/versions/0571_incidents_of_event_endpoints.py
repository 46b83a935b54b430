"""Incidents of event endpoints: an incident is about an integration or about an event endpoint

Revision ID: 0571
Revises: 0570
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0571"
down_revision = "0570"
branch_labels = None
depends_on = None

OPEN = sa.text("resolved_at IS NULL")
OF_ENDPOINTS = "SELECT id FROM incident WHERE integration_id IS NULL"


def upgrade() -> None:
    with op.batch_alter_table("incident") as batch:
        batch.alter_column("integration_id", existing_type=sa.Integer(), nullable=True)
        batch.add_column(sa.Column("event_endpoint_id", sa.Integer()))
        batch.create_foreign_key(
            op.f("fk_incident_event_endpoint_id_event_endpoint"), "event_endpoint", ["event_endpoint_id"], ["id"], ondelete="SET NULL"
        )
    op.create_index(
        "uq_incident_open_endpoint", "incident", ["event_endpoint_id", "cause"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN
    )


def downgrade() -> None:
    for table in ("notification", "incident_event"):
        op.execute(f"DELETE FROM {table} WHERE incident_id IN ({OF_ENDPOINTS})")
    op.execute("DELETE FROM incident WHERE integration_id IS NULL")
    op.drop_index("uq_incident_open_endpoint", "incident")
    with op.batch_alter_table("incident") as batch:
        batch.drop_constraint(op.f("fk_incident_event_endpoint_id_event_endpoint"), type_="foreignkey")
        batch.drop_column("event_endpoint_id")
        batch.alter_column("integration_id", existing_type=sa.Integer(), nullable=False)
