"""stock items are found and sorted by what is available, and those that suppliers feed by an index on SQLite too

Revision ID: 0712
Revises: 0711
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0712"
down_revision = "0711"
branch_labels = None
depends_on = None

AVAILABLE = "(CASE WHEN on_hand - reserved - buffer > 0 THEN on_hand - reserved - buffer ELSE 0 END)"


def upgrade() -> None:
    op.create_index("ix_stock_item_available", "stock_item", [sa.text(AVAILABLE), "sku", "id"])
    _index_fed("fed = 1")


def downgrade() -> None:
    _index_fed("fed")
    op.drop_index("ix_stock_item_available", "stock_item")


def _index_fed(condition: str) -> None:
    """SQLite uses it only for a query with the same condition, and a flag is compared as ``= 1``."""
    op.drop_index("ix_stock_item_fed", "stock_item")
    op.create_index("ix_stock_item_fed", "stock_item", ["id"], sqlite_where=sa.text(condition), postgresql_where=sa.text("fed"))
