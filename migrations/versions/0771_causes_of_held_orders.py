"""an index of SQLite has why orders are held, so that the orders themselves are not read for it

Revision ID: 0771
Revises: 0770
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0771"
down_revision = "0770"
branch_labels = None
depends_on = None

COLUMNS = ["state", "placed_at", "id", "shop_id", "held_codes", "held_reason", "reason_codes"]


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        op.create_index("ix_order_causes", "order", COLUMNS, sqlite_where=sa.text("state = 'on_hold'"))


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        op.drop_index("ix_order_causes", "order")
