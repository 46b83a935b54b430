"""the ledger of a stock item is read in its order, and from a moment on

Revision ID: 0711
Revises: 0710
"""

from __future__ import annotations

from alembic import op

revision = "0711"
down_revision = "0710"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_stock_entry_item", "stock_entry", ["stock_item_id", "id"])
    op.create_index("ix_stock_entry_item_at", "stock_entry", ["stock_item_id", "at"])
    op.drop_index("ix_stock_entry_stock_item_id", "stock_entry")


def downgrade() -> None:
    op.create_index("ix_stock_entry_stock_item_id", "stock_entry", ["stock_item_id"])
    op.drop_index("ix_stock_entry_item_at", "stock_entry")
    op.drop_index("ix_stock_entry_item", "stock_entry")
