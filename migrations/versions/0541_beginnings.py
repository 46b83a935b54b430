"""indexes by which PostgreSQL finds SKUs and names from their beginnings

Revision ID: 0541
Revises: 0591
"""

from __future__ import annotations

from alembic import op

revision = "0541"
down_revision = "0591"
branch_labels = None
depends_on = None

INDEXES = [(table, column) for table in ("stock_item", "listing") for column in ("sku_key", "name")]


def upgrade() -> None:
    """SQLite finds them by the indexes it has: it compares by bytes anyway."""
    if op.get_context().dialect.name == "postgresql":
        for table, column in INDEXES:
            op.create_index(f"ix_{table}_{column}_begins", table, [column], postgresql_ops={column: "text_pattern_ops"})


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for table, column in INDEXES:
            op.drop_index(f"ix_{table}_{column}_begins", table)
